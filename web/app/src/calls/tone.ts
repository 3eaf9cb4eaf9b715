// The ring tone and the tone of a call that rings elsewhere, made of sine waves: nothing to download, nothing to license.

type Tone = "incoming" | "outgoing";

interface Note {
  hz: number;
  atS: number;
  lastsS: number;
}

/** A rising figure that is heard over a ward's noise without being an alarm: alarms have their own sounds (IEC 60601-1-8), which this must not resemble. */
const NOTES: Record<Tone, { notes: Note[]; periodS: number; gain: number }> = {
  incoming: {
    notes: [
      { hz: 587.33, atS: 0, lastsS: 0.22 },
      { hz: 783.99, atS: 0.2, lastsS: 0.22 },
      { hz: 987.77, atS: 0.4, lastsS: 0.5 },
      { hz: 783.99, atS: 1.0, lastsS: 0.22 },
      { hz: 987.77, atS: 1.2, lastsS: 0.6 },
    ],
    periodS: 3.2,
    gain: 0.22,
  },
  // The German ringback: 425 Hz, 1 s on, 4 s off (ITU-T E.180).
  outgoing: { notes: [{ hz: 425, atS: 0, lastsS: 1 }], periodS: 5, gain: 0.06 },
};

function schedule(context: AudioContext, tone: Tone): void {
  const { notes, gain } = NOTES[tone];
  const start = context.currentTime + 0.02;
  for (const note of notes) {
    const oscillator = context.createOscillator();
    const level = context.createGain();
    oscillator.frequency.value = note.hz;
    const from = start + note.atS;
    const to = from + note.lastsS;
    // Edges without a click.
    level.gain.setValueAtTime(0, from);
    level.gain.linearRampToValueAtTime(gain, from + 0.02);
    level.gain.setValueAtTime(gain, to - 0.08);
    level.gain.linearRampToValueAtTime(0, to);
    oscillator.connect(level).connect(context.destination);
    oscillator.start(from);
    oscillator.stop(to);
  }
}

/** Rings until the returned function is called. `silent` is told whether the browser holds the sound back until somebody touches the page. */
export function ring(tone: Tone, silent: (held: boolean) => void): () => void {
  if (typeof AudioContext === "undefined") return () => undefined;
  const context = new AudioContext();
  let timer = 0;
  const begin = () => {
    if (context.state !== "running" || timer !== 0) return;
    silent(false);
    schedule(context, tone);
    timer = window.setInterval(() => schedule(context, tone), NOTES[tone].periodS * 1000);
  };
  const resume = () => void context.resume().then(begin, () => silent(true));
  if (context.state === "running") begin();
  else {
    silent(true);
    resume();
    window.addEventListener("pointerdown", resume);
    window.addEventListener("keydown", resume);
  }
  return () => {
    window.clearInterval(timer);
    window.removeEventListener("pointerdown", resume);
    window.removeEventListener("keydown", resume);
    // Closing also ends the notes that are scheduled.
    if (context.state !== "closed") void context.close();
  };
}
