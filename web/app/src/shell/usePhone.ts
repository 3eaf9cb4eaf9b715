// Whether there is room for one pane only.
import { useMediaQuery } from "@mantine/hooks";

export const WIDE = "(min-width: 900px)";

export function usePhone(): boolean {
  return !useMediaQuery(WIDE, undefined, { getInitialValueInEffect: false });
}
