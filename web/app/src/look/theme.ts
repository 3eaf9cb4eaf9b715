// Mantine's side of the look. Colours are CSS variables (tokens.css); the tuple is only there because Mantine wants one for a colour's name.
import { ActionIcon, Button, createTheme, Menu, Modal, Popover, Tooltip, type MantineColorsTuple } from "@mantine/core";

const WARD: MantineColorsTuple = ["#e6f3f2", "#d2e8e6", "#a6d2cf", "#77bab7", "#4fa3a1", "#2f8f8f", "#177b7e", "#0a5a61", "#07474d", "#053439"];

const LIVE: MantineColorsTuple = ["#fbe9f2", "#f3cfe0", "#e7a3c4", "#da76a7", "#cc4d8b", "#b8246d", "#ad1d64", "#a3185c", "#84124a", "#660c38"];

export const theme = createTheme({
  primaryColor: "ward",
  primaryShade: 7,
  colors: { ward: WARD, live: LIVE },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    // Locking the scroll injects a style element; the page itself never scrolls.
    Modal: Modal.extend({ defaultProps: { lockScroll: false, centered: true, radius: "lg", overlayProps: { color: "var(--scrim)", backgroundOpacity: 1 } } }),
    Popover: Popover.extend({ defaultProps: { shadow: "xl", radius: "md", withinPortal: true } }),
    Menu: Menu.extend({ defaultProps: { withInitialFocusPlaceholder: false, shadow: "xl", radius: "md", withinPortal: true } }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 400, withArrow: false, color: "var(--ink)", styles: { tooltip: { color: "var(--sheet)" } } } }),
    ActionIcon: ActionIcon.extend({ defaultProps: { variant: "subtle", size: 40, radius: "xl" } }),
    Button: Button.extend({ defaultProps: { radius: "md" } }),
  },
});
