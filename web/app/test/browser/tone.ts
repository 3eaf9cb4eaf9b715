// Tones to speak with, and how high the tone of a recording is.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const RATE = 48_000;
const HEAD_BYTES = 44;

/** Four seconds of a sine as a WAV file: 48 kHz, mono, 16 bits. Gives its path. */
export function tone(folder: string, hz: number): string {
  const samples = 4 * RATE;
  const wav = Buffer.alloc(HEAD_BYTES + 2 * samples);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(36 + 2 * samples, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(RATE, 24);
  wav.writeUInt32LE(2 * RATE, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(2 * samples, 40);
  for (let i = 0; i < samples; i += 1) {
    wav.writeInt16LE(Math.round(12_000 * Math.sin((2 * Math.PI * hz * i) / RATE)), HEAD_BYTES + 2 * i);
  }
  const path = join(folder, `${hz}.wav`);
  writeFileSync(path, wav);
  return path;
}

/** The frequency of the loudest second of a recording (48 kHz, mono, 16 bits): the median distance of rising zero crossings, so that a repaired gap does not count. */
export function frequency(path: string): number {
  const wav = readFileSync(path).subarray(HEAD_BYTES);
  const samples = new Int16Array(wav.buffer, wav.byteOffset, Math.floor(wav.byteLength / 2));
  let [loudest, at] = [-1, 0];
  for (let from = 0; from + RATE <= samples.length; from += RATE / 4) {
    const power = samples.subarray(from, from + RATE).reduce((sum, sample) => sum + Math.abs(sample), 0);
    if (power > loudest) [loudest, at] = [power, from];
  }
  const crossings: number[] = [];
  for (let i = at + 1; i < at + RATE; i += 1) {
    const [before, after] = [samples[i - 1] ?? 0, samples[i] ?? 0];
    if (before < 0 && after >= 0) crossings.push(i - after / (after - before));
  }
  const periods = crossings.slice(1).map((crossing, i) => crossing - (crossings[i] ?? 0)).sort((one, other) => one - other);
  return RATE / (periods[Math.floor(periods.length / 2)] ?? Infinity);
}
