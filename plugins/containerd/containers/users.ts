import { invalid } from "../../../core/support/errors.ts";

/** Who a container's process runs as, in numbers. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  /** Groups besides the primary one. */
  readonly additionalGids: readonly number[];
}

type PasswdEntry = { name: string; uid: number; gid: number };
type GroupEntry = { name: string; gid: number; members: readonly string[] };

const largestId = 2147483647;

/**
 * Turns `--user` into numbers with an image's own files: `user`, `user:group`, names or numbers; empty is root. A
 * number needs no entry. A user's further groups count only when no group is named.
 *
 * Errors: `invalid` in Docker's words for unknown names and numbers out of range.
 */
export function resolveUser(wanted: string, passwd: string, group: string): ProcessUser {
  const [userPart = "", groupPart = ""] = wanted.split(":", 2);
  const user = findUser(userPart, parsePasswd(passwd));
  const groups = parseGroup(group);
  if (groupPart !== "") return { uid: user.uid, gid: findGroup(groupPart, groups), additionalGids: [] };
  const joined = groups.filter(({ members }) => user.name !== "" && members.includes(user.name));
  return { uid: user.uid, gid: user.gid, additionalGids: joined.map(({ gid }) => gid) };
}

function findUser(wanted: string, entries: readonly PasswdEntry[]): PasswdEntry {
  const uid = wanted === "" ? 0 : numberOf(wanted);
  const found = entries.find((entry) => uid === undefined ? entry.name === wanted : entry.uid === uid);
  if (found) return found;
  if (uid === undefined) {
    throw invalid(`unable to find user ${wanted}: no matching entries in passwd file`);
  }
  return { name: "", uid: inRange(uid), gid: 0 };
}

function findGroup(wanted: string, entries: readonly GroupEntry[]): number {
  const gid = numberOf(wanted);
  const found = entries.find((entry) => gid === undefined ? entry.name === wanted : entry.gid === gid);
  if (found) return found.gid;
  if (gid === undefined) {
    throw invalid(`unable to find group ${wanted}: no matching entries in group file`);
  }
  return inRange(gid);
}

function inRange(id: number): number {
  if (id < 0 || id > largestId) throw invalid(`uids and gids must be in range 0-${largestId}`);
  return id;
}

const numberOf = (text: string) => /^[+-]?\d+$/.test(text) ? Number(text) : undefined;
const isId = (id: number) => Number.isInteger(id) && id >= 0 && id <= largestId;

function parsePasswd(text: string): PasswdEntry[] {
  return lines(text)
    .map(([name = "", , uid, gid]) => ({ name, uid: Number(uid || NaN), gid: Number(gid || NaN) }))
    .filter(({ uid, gid }) => isId(uid) && isId(gid));
}

function parseGroup(text: string): GroupEntry[] {
  return lines(text)
    .map(([name = "", , gid, members = ""]) => ({
      name,
      gid: Number(gid || NaN),
      members: members.split(",").filter(Boolean),
    }))
    .filter(({ gid }) => isId(gid));
}

const lines = (text: string) =>
  text.split("\n").filter((line) => line.trim() !== "").map((line) => line.trim().split(":"));
