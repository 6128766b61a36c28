// Reads the reply journal from its files, by the table of octets in src/store/reply_record.h and without Latchkey's own code:
// whether a provider's answer was kept must not be judged by whoever should have kept it.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const aligned = 512;
const headBytes = 144;
// A file's records, as long as the file is the same; one just written may be written again within the same tick of its clock.
const kept = new Map();
const tickMs = 100;

function sha256(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function uuid(octets) {
  const text = octets.toString('hex');
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
}

function recordsOf(octets) {
  const found = { records: [], torn: 0 };
  if (octets.subarray(0, 8).toString('latin1') !== 'LKRJSEG1' || !sha256(octets.subarray(0, 16)).equals(octets.subarray(16, 48))) return found;
  const sequence = octets.readBigUInt64LE(8);
  for (let at = aligned; at + headBytes <= octets.length;) {
    const record = octets.subarray(at);
    if (octets[at] !== 0x4c || record.toString('latin1', 0, 4) !== 'LKRJ' || record.readUInt16LE(4) !== 1 || record.readBigUInt64LE(16) !== sequence) {
      at += aligned;
      continue;
    }
    const length = record.readUInt32LE(8);
    const whole = headBytes + length <= record.length &&
      sha256(record.subarray(0, 72), record.subarray(headBytes, headBytes + length)).equals(record.subarray(72, 104));
    if (!whole) {
      found.torn++;
      at += aligned;
      continue;
    }
    found.records.push({
      intent: uuid(record.subarray(24, 40)), grant: uuid(record.subarray(40, 56)), generation: Number(record.readBigUInt64LE(56)),
      recordedAt: Number(record.readBigUInt64LE(64)), place: `${sequence}:${at}`,
      confirmed: sha256(record.subarray(72, 112)).equals(record.subarray(112, 144)),
    });
    at += Math.ceil((headBytes + length) / aligned) * aligned;
  }
  return found;
}

/** { records, torn } of a journal's folder: whole records, oldest file first, and how many are broken. */
export function readJournal(folder) {
  const all = { records: [], torn: 0 };
  if (!existsSync(folder)) return all;
  for (const name of readdirSync(folder).filter((each) => /^replies-\d+$/.test(each)).sort()) {
    const file = path.join(folder, name);
    const { mtimeNs, mtimeMs, ino } = statSync(file, { bigint: true });
    const stamp = Date.now() - Number(mtimeMs) > tickMs ? `${mtimeNs}-${ino}` : undefined;
    let known = kept.get(file);
    if (stamp === undefined || known?.stamp !== stamp) {
      known = { stamp, ...recordsOf(readFileSync(file)) };
      kept.set(file, known);
    }
    all.records.push(...known.records);
    all.torn += known.torn;
  }
  return all;
}

export const unconfirmed = (journal) => journal.records.filter((record) => !record.confirmed);

/** Spoils the newest record of a journal of one file, whose server is stopped: `spoil` gets the file's octets and the record's place. */
export function spoilNewestRecord(folder, spoil) {
  const file = path.join(folder, 'replies-00000001');
  const octets = readFileSync(file);
  spoil(octets, Number(recordsOf(octets).records.at(-1).place.split(':')[1]));
  writeFileSync(file, octets);
}
