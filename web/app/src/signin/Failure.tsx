// Why something did not work, read out at once.
import { Icon } from "../look/Icon";
import look from "./signin.module.css";

export function Failure({ text }: { text: string | null }) {
  return (
    <div role="alert" className={look.failure} hidden={text === null}>
      {text !== null && (
        <>
          <Icon name="alert" size={18} />
          <span>{text}</span>
        </>
      )}
    </div>
  );
}
