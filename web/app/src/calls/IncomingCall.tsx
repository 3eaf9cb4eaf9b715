// Somebody calls. This stands above everything, because it is why the phone is in one's pocket.
import { Button, Modal } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Call } from "../device/contract";
import { Avatar } from "../look/Avatar";
import { Icon } from "../look/Icon";
import { useDevice, useView } from "../session/Session";
import type { Command } from "../session/useCommand";
import { Failure } from "../signin/Failure";
import { usePhone } from "../shell/usePhone";
import { ring, wasTouched } from "./tone";
import look from "./calls.module.css";

export function IncomingCall({ call, name, command }: { call: Call; name: string; command: Command }) {
  const { t } = useTranslation();
  const device = useDevice();
  const phone = usePhone();
  const role = useView((view) => view.accounts[call.peer]?.role ?? "");
  const [held, setHeld] = useState(false);
  const accept = (video: boolean) => void command.run(() => device.acceptCall(video));
  useEffect(() => ring("incoming", setHeld), []);
  useEffect(() => {
    // For phones in a pocket.
    if (!wasTouched() || !("vibrate" in navigator)) return;
    navigator.vibrate([400, 200, 400, 200, 400]);
    return () => void navigator.vibrate(0);
  }, []);
  return (
    // Neither Escape nor a tap beside it may decline a call by mistake.
    <Modal.Root opened onClose={() => undefined} closeOnEscape={false} closeOnClickOutside={false} size={380} centered fullScreen={phone} lockScroll={false} zIndex={450} transitionProps={{ duration: 0 }}>
      <Modal.Overlay color="var(--scrim)" backgroundOpacity={1} />
      <Modal.Content aria-label={t(call.video ? "call.incomingVideoFrom" : "call.incomingFrom", { name })} radius={phone ? 0 : "lg"}>
      <div className={look.incoming} data-phone={phone || undefined}>
        <p className={look.kind}>
          <span>{call.video ? t("call.incomingVideo") : t("call.incoming")}</span>
          <span>
            <Icon name="lock" size={14} />
            {t("call.encrypted")}
          </span>
        </p>
        <div className={look.ringing}>
          <Avatar id={call.peer} name={name} shape="person" size={104} />
        </div>
        <h2>{name}</h2>
        {role !== "" && <p>{role}</p>}
        {held && (
          <p className={look.silent} role="status">
            {t("call.silent")}
          </p>
        )}
        <Failure text={command.failure} />
        <div className={look.answers}>
          <Button size="lg" radius="xl" color="red" leftSection={<Icon name="phoneDown" size={22} />} onClick={() => void command.run(() => device.declineCall())}>
            {t("call.decline")}
          </Button>
          <Button size="lg" radius="xl" color="green" leftSection={<Icon name={call.video ? "video" : "phone"} size={22} />} loading={command.busy} onClick={() => accept(call.video)} data-autofocus>
            {t("call.accept")}
          </Button>
          {call.video && (
            <Button className={look.voiceOnly} variant="subtle" radius="xl" leftSection={<Icon name="phone" size={18} />} disabled={command.busy} onClick={() => accept(false)}>
              {t("call.acceptVoice")}
            </Button>
          )}
        </div>
      </div>
      </Modal.Content>
    </Modal.Root>
  );
}
