// A file in its bubble. What cannot be shown as what it says it is, is a document.
import { useState } from "react";
import type { FileAbout, Message } from "../device/contract";
import { DocumentBody } from "./DocumentBody";
import { kindOf } from "./kind";
import { PictureBody } from "./PictureBody";
import { SoundBody } from "./SoundBody";
import { VideoBody } from "./VideoBody";

export interface FileProps {
  message: Message;
  file: FileAbout;
}

export interface ShownProps extends FileProps {
  /** The browser does not know what this is after all. */
  broken: () => void;
}

export function FileBody({ message, file }: FileProps) {
  const [broken, setBroken] = useState(false);
  const props = { message, file, broken: () => setBroken(true) };
  switch (broken ? "document" : kindOf(file.mime)) {
    case "picture":
      return <PictureBody {...props} />;
    case "video":
      return <VideoBody {...props} />;
    case "sound":
      return <SoundBody {...props} />;
    case "document":
      return <DocumentBody message={message} file={file} />;
  }
}
