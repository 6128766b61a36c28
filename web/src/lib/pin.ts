/** PIN rules as far as the page can judge them; the server decides. */
export interface PinRules {
  min_length: number;
  max_bytes: number;
  generate_length: number;
}

// Without 0/O, 1/l/I: a PIN is read aloud and typed on a printer's panel. 32 characters, so a byte's low five bits are uniform.
const kAlphabet = "abcdefghijkmnpqrstuvwxyz23456789";

/** `random` fills the array like crypto.getRandomValues. */
export function generate_pin(length: number, random: (into: Uint8Array<ArrayBuffer>) => Uint8Array = (into) => crypto.getRandomValues(into)): string {
  return Array.from(random(new Uint8Array(length)), (byte) => kAlphabet[byte & 31]).join("");
}

/** What is wrong with a PIN, in words; empty when nothing is. */
export function pin_problem(pin: string, rules: PinRules): string {
  if (pin === "") return "Choose a PIN, or press Generate.";
  if (/[\p{Cc}]/u.test(pin)) return "A PIN cannot contain control characters (tabs, line ends).";
  if ([...pin].length < rules.min_length) return `Use at least ${rules.min_length} characters.`;
  if (new TextEncoder().encode(pin).length > rules.max_bytes) return `At most ${rules.max_bytes} bytes fit.`;
  return "";
}

export interface Strength {
  /** 0 to 4 */
  score: number;
  word: string;
  advice: string;
}

function is_sequence(points: number[]): boolean {
  if (points.length < 3) return false;
  const step = (points[1] ?? 0) - (points[0] ?? 0);
  return Math.abs(step) <= 1 && points.every((p, i) => i === 0 || p - (points[i - 1] ?? 0) === step);
}

/** A guess at how many tries a stranger needs. Latchkey counts wrong PINs and a stolen store allows no guessing, so "fair" is enough for a device. */
export function pin_strength(pin: string): Strength {
  const points = [...pin].map((c) => c.codePointAt(0) ?? 0);
  if (points.length === 0) return { score: 0, word: "", advice: "" };
  const distinct = new Set(points).size;
  if (is_sequence(points) || distinct <= 2 || /^(.+?)\1+$/u.test(pin) || /^(?:19|20)\d\d$/.test(pin)) {
    return { score: 1, word: "Trivial", advice: "Sequences, repetitions and years are tried first." };
  }
  let pool = 0;
  if (/\d/.test(pin)) pool += 10;
  if (/[a-z]/.test(pin)) pool += 26;
  if (/[A-Z]/.test(pin)) pool += 26;
  if (/[^0-9a-zA-Z]/.test(pin)) pool += 32;
  const bits = Math.min(points.length, distinct * 1.5) * Math.log2(pool);
  if (bits < 19) return { score: 1, word: "Weak", advice: "Add a few characters." };
  if (bits < 30) return { score: 2, word: "Fair", advice: "Good enough for a device: wrong PINs are counted." };
  if (bits < 45) return { score: 3, word: "Good", advice: "" };
  return { score: 4, word: "Strong", advice: "" };
}
