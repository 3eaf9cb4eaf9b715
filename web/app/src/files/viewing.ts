// How a bubble opens the viewer, which stands above the whole conversation: the bubble itself may scroll away meanwhile.
import { createContext, useContext } from "react";
import type { MessageId } from "../device/contract";

export const ViewingContext = createContext<(message: MessageId) => void>(() => undefined);

export function useViewing(): (message: MessageId) => void {
  return useContext(ViewingContext);
}
