// Which microphone, camera and loudspeaker: what there is, what was chosen, and the default where the chosen one is gone.

export const MEDIA_DEVICE_USES = ["microphone", "camera", "loudspeaker"] as const;
export type MediaDeviceUse = (typeof MEDIA_DEVICE_USES)[number];

const KINDS: Record<MediaDeviceUse, MediaDeviceKind> = { microphone: "audioinput", camera: "videoinput", loudspeaker: "audiooutput" };

/** A picture as large as a 1:1 call needs; what a camera or a processor cannot do is less. */
const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } } satisfies MediaTrackConstraints;

export type Facing = "user" | "environment";

/** A device's id, as the browser gives it to this origin alone; null for the default. */
export function chosen(use: MediaDeviceUse): string | null {
  return localStorage.getItem(`wardline-${use}`);
}

export function choose(use: MediaDeviceUse, deviceId: string | null): void {
  if (deviceId === null) localStorage.removeItem(`wardline-${use}`);
  else localStorage.setItem(`wardline-${use}`, deviceId);
}

/** Devices of this use. Without permission browsers give neither ids nor names: then there is nothing to choose from. */
export async function available(use: MediaDeviceUse): Promise<MediaDeviceInfo[]> {
  if (use === "loudspeaker" && !canChooseLoudspeaker()) return [];
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return devices.filter(({ kind, deviceId }) => kind === KINDS[use] && deviceId !== "" && deviceId !== "default" && deviceId !== "communications");
}

export function canChooseLoudspeaker(): boolean {
  return typeof HTMLMediaElement !== "undefined" && "setSinkId" in HTMLMediaElement.prototype;
}

/** Phones do not, and neither does a page that is forbidden to. */
export function canShowScreen(): boolean {
  const policy = (document as { featurePolicy?: { allowsFeature(name: string): boolean } }).featurePolicy;
  return "getDisplayMedia" in (navigator.mediaDevices ?? {}) && policy?.allowsFeature("display-capture") !== false;
}

export function microphone(): Promise<MediaStreamTrack> {
  const processing = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  return track((device) => ({ audio: { ...processing, ...device } }), chosen("microphone"));
}

/** `facing` is for phones, where it counts more than what was chosen. */
export function camera(facing: Facing | null): Promise<MediaStreamTrack> {
  if (facing !== null) return track(() => ({ video: { ...PICTURE, facingMode: facing } }), null);
  return track((device) => ({ video: { ...PICTURE, ...device } }), chosen("camera"));
}

/** Plays on the chosen loudspeaker, else on the default one. */
export async function playOn(audio: HTMLMediaElement): Promise<void> {
  if (!canChooseLoudspeaker()) return;
  await audio.setSinkId(chosen("loudspeaker") ?? "").catch(() => audio.setSinkId(""));
}

async function track(constraints: (device: MediaTrackConstraints) => MediaStreamConstraints, wanted: string | null): Promise<MediaStreamTrack> {
  const first = wanted === null ? {} : { deviceId: { exact: wanted } };
  const stream = await navigator.mediaDevices.getUserMedia(constraints(first)).catch((error: unknown) => {
    // Unplugged, or another program has it: the default is better than no call. A refusal is a refusal.
    if (wanted === null || (error instanceof DOMException && error.name === "NotAllowedError")) throw error;
    return navigator.mediaDevices.getUserMedia(constraints({}));
  });
  const [only] = stream.getTracks();
  if (only === undefined) throw new DOMException("no such device", "NotFoundError");
  return only;
}
