// Curves over the last two minutes (uPlot). The canvas is a picture: what it says now stands below it in words.
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import look from "./status.module.css";

export interface Curve {
  name: string;
  values: readonly (number | null)[];
  /** A value in words. */
  said: (value: number) => string;
  /** A CSS variable. */
  colour: string;
  dash: readonly number[];
}

interface Props {
  title: string;
  unit: string;
  /** Counts: no halves on the axis. */
  whole?: boolean;
  seconds: number[];
  curves: Curve[];
}

const HEIGHT_PX = 168;

/** Seconds from edge to edge: what has been seen so far is not a speck at the edge. */
const SPANS = [30, 60, 120];

function spanOf(min: number | null): number {
  return SPANS.find((span) => span >= -(min ?? 0)) ?? 120;
}

export function Plot({ title, unit, whole = false, seconds, curves }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const scheme = useComputedColorScheme("light");
  const names = curves.map(({ name }) => name).join("\n");
  const latest = useRef({ seconds, curves });
  latest.current = { seconds, curves };

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const colour = (name: string) => getComputedStyle(element).getPropertyValue(name).trim();
    const axis = { stroke: colour("--ink-2"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const made = new UPlot(
      {
        width: Math.max(200, element.clientWidth),
        height: HEIGHT_PX,
        legend: { show: false },
        cursor: { show: false },
        padding: [10, 8, 0, 0],
        scales: {
          x: { time: false, range: (_, min) => [-spanOf(min), 0] },
          y: { range: (_, __, max) => [0, Math.max(whole ? 4 : 1, max * 1.15)] },
        },
        axes: [
          { ...axis, size: 30, splits: (_, __, min) => [min, (2 * min) / 3, min / 3, 0], values: (_, splits) => splits.map((split) => (split === 0 ? "0" : `−${-split} s`)) },
          { ...axis, size: 46, space: 28, incrs: whole ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] : [0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000] },
        ],
        series: [{}, ...latest.current.curves.map((curve) => ({ label: curve.name, stroke: colour(curve.colour), width: 2, dash: [...curve.dash], points: { show: false }, spanGaps: false }))],
      },
      dataOf(latest.current),
      element,
    );
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: Math.max(200, element.clientWidth), height: HEIGHT_PX }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [scheme, names, whole]);

  useEffect(() => plot.current?.setData(dataOf({ seconds, curves })));

  return (
    <figure className={look.plot}>
      <figcaption>
        {title}
        {unit !== "" && <span>{unit}</span>}
      </figcaption>
      <div ref={box} className={look.canvas} aria-hidden="true" />
      <ul className={look.legend}>
        {curves.map(({ name, values, said, colour, dash }) => {
          const value = values.at(-1);
          return (
            <li key={name}>
              <svg width="22" height="8" aria-hidden="true">
                <line x1="0" x2="22" y1="4" y2="4" stroke={`var(${colour})`} strokeWidth="2.5" strokeDasharray={dash.join(" ")} />
              </svg>
              {name}
              <strong>{typeof value === "number" ? said(value) : "–"}</strong>
            </li>
          );
        })}
      </ul>
    </figure>
  );
}

function dataOf({ seconds, curves }: { seconds: number[]; curves: Curve[] }): UPlot.AlignedData {
  return [seconds, ...curves.map(({ values }) => [...values])];
}
