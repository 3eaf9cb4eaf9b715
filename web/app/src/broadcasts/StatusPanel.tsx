// The figures of a broadcast and their last two minutes: layers, viewers of each, losses, key frames.
import { Loader } from "@mantine/core";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Broadcast, BroadcastReport } from "../device/contract";
import { useLanguage } from "../shell/useLanguage";
import { Elapsed, LiveBadge, useTitle } from "./parts";
import { Plot, type Curve } from "./Plot";
import { bits, percent, plotted, ridsOf } from "./report";
import { useLooks } from "./useLooks";
import look from "./status.module.css";

/** Told apart without colours as well. */
const LAYER_CURVES = [
  { colour: "--curve-1", dash: [2, 4] },
  { colour: "--curve-2", dash: [8, 4] },
  { colour: "--curve-3", dash: [] },
] as const;

export default function StatusPanel({ broadcast }: { broadcast: Broadcast }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const title = useTitle(broadcast);
  const { looks, stale } = useLooks(broadcast.id);
  const latest = looks.at(-1)?.report;
  const data = useMemo(() => plotted(looks), [looks]);
  const rids = useMemo(() => ridsOf(looks), [looks]);
  const names: Record<string, string> = { "": t("broadcastStatus.layerOne"), l: t("broadcastStatus.layerL"), m: t("broadcastStatus.layerM"), h: t("broadcastStatus.layerH") };
  const nameOf = (rid: string) => names[rid] ?? rid;
  const perLayer = (values: (number | null)[][], said: (value: number) => string): Curve[] =>
    rids.map((rid, at) => ({ name: nameOf(rid), values: values[at] ?? [], said, ...(LAYER_CURVES[(at + (rids.length === 1 ? 2 : 0)) % 3] ?? LAYER_CURVES[2]) }));
  const inPercent = (value: number) => percent(value, language);
  const aSecond = (value: number) => `${value.toLocaleString(language, { maximumFractionDigits: 1 })} /s`;
  return (
    <div className={look.panel}>
      <p className={look.about}>
        <LiveBadge waits={broadcast.state === "sender-lost"} />
        <strong>{title}</strong>
        <Elapsed since={broadcast.startedAtMs} />
      </p>
      {latest === undefined ? (
        <p className={look.none} role="status">
          <Loader size="sm" />
          {t("broadcastStatus.none")}
        </p>
      ) : (
        <>
          <p className={look.stale} role="status">
            {stale && t("broadcastStatus.stale")}
          </p>
          <Tiles report={latest} />
          <h3 className={look.history}>{t("broadcastStatus.lastMinutes")}</h3>
          <div className={look.plots}>
            <Plot title={t("broadcastStatus.bitrate")} unit="kbit/s" seconds={data.seconds} curves={perLayer(data.kbps, (value) => bits(value * 1000, language))} />
            <Plot title={t("broadcastStatus.perLayer")} unit="" whole seconds={data.seconds} curves={perLayer(data.viewers, (value) => value.toLocaleString(language))} />
            <Plot
              title={t("broadcastStatus.losses")}
              unit="%"
              seconds={data.seconds}
              curves={[
                { name: t("broadcastStatus.worstOne"), values: data.worstLoss, said: inPercent, colour: "--curve-4", dash: [2, 4] },
                { name: t("broadcastStatus.mean"), values: data.meanLoss, said: inPercent, colour: "--curve-2", dash: [] },
                { name: t("broadcastStatus.toNode"), values: data.uplinkLoss, said: inPercent, colour: "--curve-3", dash: [8, 4] },
              ]}
            />
            <Plot
              title={t("broadcastStatus.keyFrames")}
              unit="/s"
              seconds={data.seconds}
              curves={[
                { name: t("broadcastStatus.asked"), values: data.asked, said: aSecond, colour: "--curve-2", dash: [8, 4] },
                { name: t("broadcastStatus.requested"), values: data.requested, said: aSecond, colour: "--curve-3", dash: [] },
              ]}
            />
          </div>
          <Layers report={latest} nameOf={nameOf} />
        </>
      )}
    </div>
  );
}

function Tiles({ report }: { report: BroadcastReport }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  const tiles = [
    { name: t("broadcastStatus.viewers"), value: report.viewers.toLocaleString(language), more: report.viewersWithoutVideo > 0 ? t("broadcastStatus.withoutVideo", { count: report.viewersWithoutVideo }) : "" },
    { name: t("broadcastStatus.outgoing"), value: bits(report.outgoingBps, language), more: "" },
    { name: t("broadcastStatus.loss"), value: percent(report.meanLossPermille / 10, language), more: t("broadcastStatus.worst", { loss: percent(report.worstLossPermille / 10, language) }) },
    { name: t("broadcastStatus.keyFrames"), value: report.keyFramesAsked.toLocaleString(language), more: `${report.keyFramesRequested.toLocaleString(language)} ${t("broadcastStatus.requested")}` },
    { name: t("broadcastStatus.dropped"), value: report.packetsDropped.toLocaleString(language), more: t("broadcastStatus.ofForwarded", { all: (report.packetsForwarded + report.packetsDropped).toLocaleString(language) }) },
  ];
  return (
    <dl className={look.tiles}>
      {tiles.map(({ name, value, more }) => (
        <div key={name} className={look.tile}>
          <dt>{name}</dt>
          <dd>
            <strong>{value}</strong>
            {more !== "" && <span>{more}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Layers({ report, nameOf }: { report: BroadcastReport; nameOf: (rid: string) => string }) {
  const { t } = useTranslation();
  const { language } = useLanguage();
  return (
    <div className={look.table} role="region" aria-label={t("broadcastStatus.layers")} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("broadcastStatus.layer")}</th>
            <th scope="col">{t("broadcastStatus.viewers")}</th>
            <th scope="col">kbit/s</th>
            <th scope="col">{t("broadcastStatus.packets")}</th>
            <th scope="col">{t("broadcastStatus.lost")}</th>
          </tr>
        </thead>
        <tbody>
          {report.layers.map(({ rid, viewers, bitrateBps, packets, packetsLost }) => (
            <tr key={rid}>
              <th scope="row">{nameOf(rid)}</th>
              <td>{viewers.toLocaleString(language)}</td>
              <td>{Math.round(bitrateBps / 1000).toLocaleString(language)}</td>
              <td>{packets.toLocaleString(language)}</td>
              <td>{packetsLost.toLocaleString(language)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
