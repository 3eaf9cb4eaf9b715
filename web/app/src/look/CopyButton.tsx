import { ActionIcon, Tooltip } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { useTranslation } from "react-i18next";
import { Icon } from "./Icon";

export function CopyButton({ text }: { text: string }) {
  const { t } = useTranslation();
  const clipboard = useClipboard({ timeout: 2000 });
  const label = clipboard.copied ? t("app.copied") : t("app.copy");
  return (
    <Tooltip label={label}>
      <ActionIcon size={36} aria-label={label} onClick={() => clipboard.copy(text)}>
        <Icon name={clipboard.copied ? "check" : "copy"} size={18} />
      </ActionIcon>
    </Tooltip>
  );
}
