// Ciphertexts of files in this browser's own file system (OPFS): what is on its way, and what was fetched. Each is called as at the node, and is whole
// once it has the length that its message says. Absent on purpose: keys. They are in the sealed history.
const DIRECTORY = "attachments";

/** What is kept at most; beyond it the oldest go, and are fetched again when somebody wants them. What waits to be sent stays. */
export const SHELF_BYTES_MAX = 2_000_000_000;

/** One ciphertext, open for this worker alone. */
export type Opened = Pick<FileSystemSyncAccessHandle, "read" | "write" | "truncate" | "getSize" | "flush" | "close">;

export class Shelf {
  /** What waits to be sent. */
  private readonly pinned = new Set<string>();
  private readonly open = new Set<string>();

  private constructor(private readonly directory: FileSystemDirectoryHandle) {}

  static async open(): Promise<Shelf> {
    const root = await navigator.storage.getDirectory();
    return new Shelf(await root.getDirectoryHandle(DIRECTORY, { create: true }));
  }

  static async wipe(): Promise<void> {
    const root = await navigator.storage.getDirectory();
    await root.removeEntry(DIRECTORY, { recursive: true }).catch((error: unknown) => {
      if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
    });
  }

  pin(attachment: string): void {
    this.pinned.add(attachment);
  }

  unpin(attachment: string): void {
    this.pinned.delete(attachment);
  }

  /** Bytes that are here; 0: nothing. */
  async size(attachment: string): Promise<number> {
    const handle = await this.directory.getFileHandle(attachment).catch(() => null);
    return handle === null ? 0 : (await handle.getFile()).size;
  }

  /** Works on one ciphertext; it is closed afterwards. */
  async with<T>(attachment: string, work: (opened: Opened) => Promise<T> | T): Promise<T> {
    const handle = await this.directory.getFileHandle(attachment, { create: true });
    const opened = await handle.createSyncAccessHandle();
    this.open.add(attachment);
    try {
      return await work(opened);
    } finally {
      opened.close();
      this.open.delete(attachment);
    }
  }

  async remove(attachment: string): Promise<void> {
    this.unpin(attachment);
    await this.directory.removeEntry(attachment).catch(() => undefined); // gone, or open: then it goes another time
  }

  /** Makes room for `bytes` more. */
  async makeRoom(bytes: number): Promise<void> {
    const files: { name: string; size: number; at: number }[] = [];
    for await (const [name, handle] of this.directory.entries()) {
      if (handle.kind !== "file") continue;
      const file = await (handle as FileSystemFileHandle).getFile();
      files.push({ name, size: file.size, at: file.lastModified });
    }
    let total = files.reduce((sum, file) => sum + file.size, bytes);
    for (const { name, size } of files.sort((one, other) => one.at - other.at)) {
      if (total <= SHELF_BYTES_MAX) return;
      if (this.pinned.has(name) || this.open.has(name)) continue;
      await this.remove(name);
      total -= size;
    }
  }
}
