// What can be sent beside text.
import { ActionIcon, Menu } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useRef, type RefObject } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../look/Icon";

interface Props {
  /** `asOriginal`: picked as a document, so not to be made smaller. */
  add: (files: File[], asOriginal: boolean) => void;
  openPlace: () => void;
}

export function AttachMenu({ add, openPlace }: Props) {
  const { t } = useTranslation();
  const phone = useMediaQuery("(pointer: coarse)", undefined, { getInitialValueInEffect: false }) ?? false;
  const pictures = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);
  const documents = useRef<HTMLInputElement>(null);
  const picker = (field: RefObject<HTMLInputElement | null>) => () => field.current?.click();
  return (
    <>
      <Menu position="top-start" width={230} returnFocus>
        <Menu.Target>
          <ActionIcon aria-label={t("attach.open")}>
            <Icon name="plus" size={23} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<Icon name="photo" />} onClick={picker(pictures)}>
            {t("attach.pictures")}
          </Menu.Item>
          {phone && (
            <Menu.Item leftSection={<Icon name="camera" />} onClick={picker(camera)}>
              {t("attach.camera")}
            </Menu.Item>
          )}
          <Menu.Item leftSection={<Icon name="document" />} onClick={picker(documents)}>
            {t("attach.document")}
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="pin" />} onClick={openPlace}>
            {t("attach.place")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Picker field={pictures} name="pictures" accept="image/*,video/*" add={(files) => add(files, false)} />
      <Picker field={camera} name="camera" accept="image/*" capture="environment" add={(files) => add(files, false)} />
      <Picker field={documents} name="documents" add={(files) => add(files, true)} />
    </>
  );
}

interface PickerProps {
  field: RefObject<HTMLInputElement | null>;
  name: string;
  accept?: string;
  capture?: "environment";
  add: (files: File[]) => void;
}

function Picker({ field, name, accept, capture, add }: PickerProps) {
  return (
    <input
      ref={field}
      type="file"
      hidden
      multiple={capture === undefined}
      accept={accept}
      capture={capture}
      data-picker={name}
      onChange={(event) => {
        const files = [...(event.currentTarget.files ?? [])];
        // So that the same file can be picked again.
        event.currentTarget.value = "";
        add(files);
      }}
    />
  );
}
