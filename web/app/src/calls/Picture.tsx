// Moving pictures of a call. Their sound is played elsewhere: an element that may not play yet must not hold it back.
import { useEffect, useRef } from "react";

export function Picture({ stream, mirrored, label, className }: { stream: MediaStream; mirrored?: boolean; label: string; className?: string | undefined }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = video.current;
    if (!element) return;
    element.srcObject = stream;
    // Refused only until somebody touches the page; muted pictures may play at once.
    void element.play()?.catch(() => undefined);
    return () => {
      element.srcObject = null;
    };
  }, [stream]);
  return <video ref={video} className={className} data-mirrored={mirrored || undefined} aria-label={label} muted autoPlay playsInline disablePictureInPicture />;
}
