const kUnseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{16fe4}\u{1d159}]/u;
const kBlank = /\p{Zs}/u;

/** An account's id with all that is in it: what nobody sees is its number, `\u{200c}`, as on the command line. An id is compared. */
export function shown_id(id: string): string {
  const characters = [...id];
  const is_blank = (at: number) => characters[at] === undefined || kBlank.test(characters[at]);
  return characters
    .map((character, at) => {
      const reads_like_one = character === "\\" && characters[at + 1] === "u" && characters[at + 2] === "{";
      const unseen = kBlank.test(character) ? character !== " " || is_blank(at - 1) || is_blank(at + 1) : kUnseen.test(character);
      return unseen || reads_like_one ? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}` : character;
    })
    .join("");
}
