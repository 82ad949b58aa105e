/** Linux signals by name; the real-time ones are counted from both ends. Source: signal(7), x86 and arm. */
const numbers: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  IOT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  POLL: 29,
  PWR: 30,
  SYS: 31,
};

const firstRealTime = 34;
export const lastSignal = 64;
export const signalKill = 9;
export const signalTerm = 15;

/** The number of a signal given as `9`, `KILL`, `SIGKILL`, `RTMIN+3`; undefined when it is none. */
export function parseSignal(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) || undefined;
  const name = text.toUpperCase().replace(/^SIG/, "");
  if (Object.hasOwn(numbers, name)) return numbers[name];
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (!realTime) return undefined;
  const [, end, sign, steps = "0"] = realTime;
  if (sign && (end === "MIN") !== (sign === "+")) return undefined;
  const number = end === "MIN" ? firstRealTime + Number(steps) : lastSignal - Number(steps);
  return number >= firstRealTime && number <= lastSignal ? number : undefined;
}
