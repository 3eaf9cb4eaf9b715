// The icons, drawn for Wardline on a grid of 24 with a line of 1.75. They say nothing to screen readers: the control around them does.

const PATHS = {
  search: "M10.5 4a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13M15.5 15.5L20 20",
  compose: "M12 20h8M4 20l1-4.5L15.8 4.7a1.7 1.7 0 0 1 2.4 0l1.1 1.1a1.7 1.7 0 0 1 0 2.4L8.5 19z",
  back: "M14.5 5.5L8 12l6.5 6.5",
  forward: "M9.5 5.5L16 12l-6.5 6.5",
  close: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 4a8 8 0 1 1 0 16a8 8 0 0 1 0-16M12 8v4.3l2.8 1.7",
  alert: "M12 8.5v4.5M12 16.3v.2M10.6 4.6L3.4 17a1.6 1.6 0 0 0 1.4 2.5h14.4a1.6 1.6 0 0 0 1.4-2.5L13.4 4.6a1.6 1.6 0 0 0-2.8 0",
  phone: "M6.2 4h2.4a1 1 0 0 1 1 .8l.7 3.1a1 1 0 0 1-.3 1L8.3 10.5a12.5 12.5 0 0 0 5.2 5.2l1.6-1.7a1 1 0 0 1 1-.3l3.1.7a1 1 0 0 1 .8 1v2.4a1.7 1.7 0 0 1-1.8 1.7C10.8 19 5 13.2 4.5 5.8A1.7 1.7 0 0 1 6.2 4",
  phoneDown: "M3.5 13.2c4.7-4.3 12.3-4.3 17 0a1.2 1.2 0 0 1 .2 1.6l-1.2 1.7a1.1 1.1 0 0 1-1.3.4l-2.6-1a1.1 1.1 0 0 1-.7-1v-1.8a9.5 9.5 0 0 0-5.8 0v1.8a1.1 1.1 0 0 1-.7 1l-2.6 1a1.1 1.1 0 0 1-1.3-.4l-1.2-1.7a1.2 1.2 0 0 1 .2-1.6",
  callIn: "M18.5 5.5l-7 7M11.5 7v5.5h5.5M5 16.5l2 2M5 19h14",
  mic: "M12 4a2.8 2.8 0 0 1 2.8 2.8v4.4a2.8 2.8 0 0 1-5.6 0V6.8A2.8 2.8 0 0 1 12 4M6.5 11a5.5 5.5 0 0 0 11 0M12 16.5V20",
  micOff: "M9.2 9v2.2a2.8 2.8 0 0 0 4.5 2.2M14.8 10.5V6.8a2.8 2.8 0 0 0-5.4-1M6.5 11a5.5 5.5 0 0 0 8.7 4.5M17.5 11a5.5 5.5 0 0 1-.6 2.5M12 16.5V20M4.5 4.5l15 15",
  video: "M5.5 6h8A1.5 1.5 0 0 1 15 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-8A1.5 1.5 0 0 1 4 16.5v-9A1.5 1.5 0 0 1 5.5 6M15 10.6l5-3v8.8l-5-3",
  videoOff: "M9.5 6h4A1.5 1.5 0 0 1 15 7.5v3.1l5-3v8.8l-3.2-1.9M15 15.2v1.3a1.5 1.5 0 0 1-1.5 1.5h-8A1.5 1.5 0 0 1 4 16.5v-9A1.5 1.5 0 0 1 5.2 6M4.5 4.5l15 15",
  turn: "M4.5 11.5a7.5 7.5 0 0 1 13.1-4.4L19.5 9M19.5 4.5V9H15M19.5 12.5a7.5 7.5 0 0 1-13.1 4.4L4.5 15M4.5 19.5V15H9",
  smaller: "M10 4.5V10H4.5M19.5 14H14v5.5M10 10L4.5 4.5M14 14l5.5 5.5",
  larger: "M14 4.5h5.5V10M10 19.5H4.5V14M19.5 4.5L13.5 10.5M4.5 19.5l6-6",
  arrowOut: "M6.5 17.5l11-11M9.5 6.5h8v8",
  arrowIn: "M17.5 6.5l-11 11M6.5 9.5v8h8",
  speaker: "M4 10v4h3l4.5 4V6L7 10zM15 9.5a4 4 0 0 1 0 5M17.5 7a7.5 7.5 0 0 1 0 10",
  chat: "M5.5 5h13A1.5 1.5 0 0 1 20 6.5v8a1.5 1.5 0 0 1-1.5 1.5H11l-4.5 3.5V16h-1A1.5 1.5 0 0 1 4 14.5v-8A1.5 1.5 0 0 1 5.5 5",
  smile: "M12 4a8 8 0 1 1 0 16a8 8 0 0 1 0-16M8.8 14.2a4 4 0 0 0 6.4 0M9.3 9.5v.3M14.7 9.5v.3",
  send: "M5 12.0h6M5.3 5.2l14.1 6.1a.8.8 0 0 1 0 1.4L5.3 18.8a.6.6 0 0 1-.8-.7L6 12L4.5 5.9a.6.6 0 0 1 .8-.7",
  more: "M12 6v.1M12 12v.1M12 18v.1",
  info: "M12 4a8 8 0 1 1 0 16a8 8 0 0 1 0-16M12 11.5V16M12 8.2v.1",
  sliders: "M4 8h9M17 8h3M4 16h3M11 16h9M15 6v4M9 14v4",
  bell: "M6.5 16V11a5.5 5.5 0 0 1 11 0v5l1.5 1.5H5zM10 20h4",
  shield: "M12 3.8l7 2.7v5c0 4.3-2.9 7.2-7 8.7c-4.1-1.5-7-4.4-7-8.7v-5zM9 12l2.2 2.2L15.2 10",
  lock: "M7.5 10.5V8a4.5 4.5 0 0 1 9 0v2.5M6.5 10.5h11a1.5 1.5 0 0 1 1.5 1.5v6a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 18v-6a1.5 1.5 0 0 1 1.5-1.5",
  devices: "M4 6.5A1.5 1.5 0 0 1 5.5 5h11A1.5 1.5 0 0 1 18 6.5V9M3 18h9M4 15V6.5M4 15h8M15.5 11.5h4a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-4a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1",
  people: "M9 5a3.2 3.2 0 1 1 0 6.4A3.2 3.2 0 0 1 9 5M3 19a6 6 0 0 1 12 0M15.5 5.4a3 3 0 0 1 0 5.6M17.5 14a5.5 5.5 0 0 1 3.5 5",
  person: "M12 4.5a3.7 3.7 0 1 1 0 7.4a3.7 3.7 0 0 1 0-7.4M5 20a7 7 0 0 1 14 0",
  personAdd: "M10 5a3.3 3.3 0 1 1 0 6.6A3.3 3.3 0 0 1 10 5M3.5 19.5a6.5 6.5 0 0 1 12-3.5M18 9v6M15 12h6",
  archive: "M4 5h16v4H4zM5.5 9v9a1.5 1.5 0 0 0 1.5 1.5h10a1.5 1.5 0 0 0 1.5-1.5V9M10 13h4",
  down: "M12 5v13M6.5 13L12 18.5l5.5-5.5",
  copy: "M9 9h9.5a1 1 0 0 1 1 1v8.5a1 1 0 0 1-1 1H10a1 1 0 0 1-1-1zM15 9V5.5a1 1 0 0 0-1-1H5.5a1 1 0 0 0-1 1V14a1 1 0 0 0 1 1H9",
  leave: "M14 8V5.5A1.5 1.5 0 0 0 12.5 4h-6A1.5 1.5 0 0 0 5 5.5v13A1.5 1.5 0 0 0 6.5 20h6a1.5 1.5 0 0 0 1.5-1.5V16M10 12h10M17 9l3 3l-3 3",
  cloudOff: "M8.5 7.2A5.5 5.5 0 0 1 17.4 11a3.7 3.7 0 0 1 2.3 6.0M16 18.5H7.5a4 4 0 0 1-1.3-7.8M4.5 4.5l15 15",
  retry: "M5 12a7 7 0 1 0 2.3-5.2L5 9M5 4.5V9h4.5",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12a.9.9 0 0 0 .9.8h6.6a.9.9 0 0 0 .9-.8L17 7",
  link: "M10 14a3.8 3.8 0 0 0 5.7.4l2.9-2.9a3.8 3.8 0 0 0-5.4-5.4l-1.3 1.3M14 10a3.8 3.8 0 0 0-5.7-.4l-2.9 2.9a3.8 3.8 0 0 0 5.4 5.4l1.3-1.3",
  key: "M8 11a4 4 0 1 1 0 8a4 4 0 0 1 0-8M11 12.5L19.5 4M16 7.5l2.5 2.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth={name === "more" ? 2.75 : 1.75} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The mark: a W drawn in one line, as a monitor would. */
export function Mark({ size = 40 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 64 64" aria-hidden="true" focusable="false">
      <rect width="64" height="64" rx="17" fill="#0a5a61" />
      <path d="M9 35h7l6.5 13L32 21l9.5 27L48 29h7" fill="none" stroke="#fff" strokeWidth="5" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}
