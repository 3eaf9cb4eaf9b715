// The emoji that are offered: few enough to be looked over, with words to find them by in both languages.
import type { de } from "../i18n/de";

type Group = keyof typeof de.emoji;

/** Each entry: the emoji, then words to search by. */
const TABLE: Record<Group, string> = {
  often: `👍 daumen hoch ok gut thumbs up yes|❤️ herz liebe heart love|😂 lachen tränen laugh tears|🙏 danke bitte thanks please|👌 passt perfekt perfect|😊 lächeln freundlich smile|✅ erledigt haken done check|🎉 feier glückwunsch party congratulations|💪 stark kraft strong|🤔 nachdenken frage thinking|😅 schwitzen puh sweat phew|👋 hallo tschüss winken wave hello bye`,
  faces: `😀 grinsen grin|😃 freude happy|😄 lachen laugh|😁 strahlen beam|😆 kichern giggle|😉 zwinkern wink|🙂 freundlich friendly|🙃 verkehrt upside down|😇 engel angel|🥰 verliebt love|😍 herzaugen heart eyes|😘 kuss kiss|😋 lecker yummy|😜 frech cheeky|🤗 umarmung hug|🤭 ups oops|🤫 leise quiet|🤨 skeptisch sceptical|😐 neutral|😶 sprachlos speechless|🙄 augenrollen eye roll|😏 schmunzeln smirk|😬 grimasse grimace|😌 erleichtert relieved|😴 schlafen müde sleep|🥱 gähnen müde yawn tired|😪 schläfrig sleepy|😷 maske krank mask sick|🤒 fieber fever|🤕 verletzt hurt|🤢 übel nausea|🤧 niesen erkältung sneeze cold|🥵 heiß hot|🥶 kalt cold|🤯 überwältigt mind blown|😎 cool sonnenbrille sunglasses|🤓 streber nerd|😕 verwirrt confused|😟 besorgt worried|🙁 traurig sad|😮 erstaunt surprised|😳 verlegen flushed|🥺 bitte flehen pleading|😨 angst fear|😢 weinen cry|😭 heulen sob|😱 schrei scream|😩 erschöpft weary|😤 schnauben huff|😡 wütend angry|🥳 feiern party|🤩 begeistert starstruck`,
  hands: `👍 daumen hoch thumbs up|👎 daumen runter thumbs down|👏 applaus clap|🙌 hurra hooray|🤝 handschlag abgemacht handshake deal|✌️ frieden victory peace|🤞 daumen drücken fingers crossed|👌 perfekt perfect|🤙 anrufen call me|👈 links left|👉 rechts right|👆 oben up|👇 unten down|☝️ achtung hinweis point|✋ halt stop|👋 winken wave|💪 stark strong|🙏 danke thanks|✍️ schreiben write|👀 augen schauen eyes look|🤷 achselzucken shrug|🤦 facepalm|🙋 melden hand raised|🫶 herz hände heart hands`,
  clinic: `🏥 klinik krankenhaus hospital|🩺 stethoskop stethoscope|💉 spritze impfung syringe vaccine|💊 tablette medikament pill medicine|🩸 blut blood|🩹 pflaster plaster bandage|🩻 röntgen x-ray|🧪 labor probe lab test|🦠 keim virus infektion germ infection|🧬 dna genetik genetics|🌡️ temperatur fieber temperature|🫀 herz heart organ|🫁 lunge lungs|🧠 gehirn neurologie brain|🦴 knochen bone|🦷 zahn tooth|👶 baby säugling|🤰 schwanger pregnant|🧓 patient senior elderly|👩‍⚕️ ärztin doctor nurse woman|👨‍⚕️ arzt doctor nurse man|🚑 rettungswagen ambulance|🚁 hubschrauber helicopter|🛏️ bett bed|🚪 zimmer tür door room|♿ rollstuhl wheelchair|🧤 handschuhe gloves|🥼 kittel coat|🧼 hygiene seife soap|🗑️ abfall entsorgen bin|📋 kurve akte chart list|📟 pieper pager`,
  life: `☕ kaffee pause coffee break|🍽️ essen mittag lunch meal|🍕 pizza|🍰 kuchen cake|🍎 apfel apple|💧 wasser water|🌙 nachtdienst nacht night shift|☀️ sonne frühdienst sun early|🌧️ regen rain|❄️ schnee snow|🎂 geburtstag birthday|🎁 geschenk gift|🎉 feier party|🏆 pokal trophy|🚗 auto car|🚲 fahrrad bike|🚆 zug train|🏠 zuhause home|🏃 eilen laufen run hurry|😴 schlafen sleep|📅 termin kalender calendar|⏰ wecker alarm clock|⏳ warten sanduhr wait|📞 telefon phone|📱 handy mobile|💻 computer laptop|🖨️ drucker printer|🔑 schlüssel key|📎 anhang clip|📌 wichtig pin|✏️ stift pencil|💡 idee licht idea|🎵 musik music|⚽ fußball football|🐶 hund dog|🐱 katze cat|🌷 blume flower|🍀 glück luck`,
  signs: `✅ erledigt done|☑️ abgehakt checked|❌ nein falsch no wrong|❗ wichtig important|❓ frage question|⚠️ achtung warnung warning|🚨 notfall alarm emergency|⛔ verboten forbidden|🆘 hilfe sos help|🔴 rot red|🟠 orange|🟡 gelb yellow|🟢 grün green|🔵 blau blue|⚪ weiß white|➡️ rechts weiter right|⬅️ links zurück left|⬆️ oben up|⬇️ unten down|🔄 aktualisieren wechsel refresh change|➕ plus add|➖ minus|💯 hundert hundred|🔒 sicher gesperrt secure locked|🔔 glocke bell|🔕 stumm silent|💤 schlaf sleep|❤️ herz heart|💙 blau herz blue heart|💚 grün herz green heart|💛 gelb herz yellow heart|🤍 weiß herz white heart`,
};

export interface Emoji {
  char: string;
  words: string;
}

export const EMOJI: readonly { group: Group; emoji: readonly Emoji[] }[] = (Object.keys(TABLE) as Group[]).map((group) => ({
  group,
  emoji: TABLE[group].split("|").map((entry) => {
    const space = entry.indexOf(" ");
    return space < 0 ? { char: entry, words: "" } : { char: entry.slice(0, space), words: entry.slice(space + 1) };
  }),
}));

/** Each emoji once, whichever groups it is in. */
export function findEmoji(query: string): Emoji[] {
  const wanted = query.trim().toLowerCase();
  const found = new Map<string, Emoji>();
  for (const { emoji } of EMOJI) for (const one of emoji) if (one.words.split(" ").some((word) => word.startsWith(wanted))) found.set(one.char, one);
  return [...found.values()];
}
