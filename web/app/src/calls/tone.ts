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

/** Browsers let a page sound and vibrate once a person has touched it. Those that do not say whether that was so are simply tried. */
export function wasTouched(): boolean {
  return (navigator as { userActivation?: UserActivation }).userActivation?.hasBeenActive ?? true;
}

/** Rings until the returned function is called. `silent` is told whether the browser holds the sound back until somebody touches the page. */
export function ring(tone: Tone, silent: (held: boolean) => void): () => void {
  if (typeof AudioContext === "undefined") return () => undefined;
  let context: AudioContext | null = null;
  let timer = 0;
  let over = false;
  const begin = async () => {
    context ??= new AudioContext();
    await context.resume();
    if (over || timer !== 0 || context.state !== "running") return;
    silent(false);
    const playing = context;
    schedule(playing, tone);
    timer = window.setInterval(() => schedule(playing, tone), NOTES[tone].periodS * 1000);
  };
  const touched = () => void begin();
  if (wasTouched()) touched();
  else silent(true);
  window.addEventListener("pointerdown", touched);
  window.addEventListener("keydown", touched);
  return () => {
    over = true;
    window.clearInterval(timer);
    window.removeEventListener("pointerdown", touched);
    window.removeEventListener("keydown", touched);
    // Closing also ends the notes that are scheduled.
    void context?.close();
  };
}
