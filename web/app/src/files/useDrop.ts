// Files that are dragged onto the conversation or pasted into it.
import { useEffect, useState, type ClipboardEvent, type DragEvent } from "react";

function holdsFiles(event: { dataTransfer: DataTransfer | null }): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/** Folders are no files: reading one fails much later and says nothing of use. */
function filesOf(data: DataTransfer): File[] {
  const items = [...(data.items ?? [])].filter((item) => item.kind === "file");
  const folders = new Set(items.flatMap((item, at) => (item.webkitGetAsEntry?.()?.isDirectory ? [at] : [])));
  return [...data.files].filter((_, at) => !folders.has(at));
}

export interface Drop {
  /** Something that can be dropped is above the conversation. */
  over: boolean;
  handlers: {
    onDragEnter(event: DragEvent): void;
    onDragOver(event: DragEvent): void;
    onDragLeave(event: DragEvent): void;
    onDrop(event: DragEvent): void;
    onPaste(event: ClipboardEvent): void;
  };
}

export function useDrop(add: ((files: File[]) => void) | null): Drop {
  const [over, setOver] = useState(false);
  useEffect(() => {
    // A file that misses would replace this page, and end a call with it.
    const refuse = (event: globalThis.DragEvent) => {
      if (!holdsFiles(event) || event.defaultPrevented) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = "none";
    };
    window.addEventListener("dragover", refuse);
    window.addEventListener("drop", refuse);
    return () => {
      window.removeEventListener("dragover", refuse);
      window.removeEventListener("drop", refuse);
    };
  }, []);
  const take = (event: DragEvent) => {
    if (add === null || !holdsFiles(event)) return false;
    event.preventDefault();
    return true;
  };
  return {
    over: over && add !== null,
    handlers: {
      onDragEnter: (event) => take(event) && setOver(true),
      onDragOver: (event) => void (take(event) && (event.dataTransfer.dropEffect = "copy")),
      onDragLeave: (event) => {
        // Also told for each element inside that is left for another.
        if (!(event.relatedTarget instanceof Node) || !event.currentTarget.contains(event.relatedTarget)) setOver(false);
      },
      onDrop: (event) => {
        setOver(false);
        if (take(event)) add?.(filesOf(event.dataTransfer));
      },
      onPaste: (event) => {
        // Cells of a table come as text and as a picture of it: the text is meant.
        const data = event.clipboardData;
        if (add === null || data.files.length === 0 || data.types.includes("text/plain")) return;
        event.preventDefault();
        add([...data.files]);
      },
    },
  };
}
