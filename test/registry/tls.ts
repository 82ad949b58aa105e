/** An authority and certificates made on the spot. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Undo } from "../../core/support/undo.ts";

const run = promisify(execFile);
const keyOptions = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Paths of PEM files. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  readonly folder: string;
  readonly cert: string;
  /** A certificate for these names; without any, one that clients show. */
  issue(name: string, alternatives?: string): Promise<Pair>;
}

/** Makes an authority whose files go with the test. */
export async function authority(undo: Undo): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), "berth-tls-"));
  undo.add("certificates", () => rm(folder, { recursive: true, force: true }));
  const file = (name: string) => join(folder, name);
  const ca = ["-keyout", file("ca.key"), "-out", file("ca.crt")];
  await run("openssl", [
    "req",
    "-x509",
    ...keyOptions,
    ...ca,
    "-subj",
    "/CN=Berth test authority",
    "-days",
    "2",
  ]);
  const issue = async (name: string, alternatives = `DNS:${name}`): Promise<Pair> => {
    const pair = { cert: file(`${name}.crt`), key: file(`${name}.key`) };
    const request = ["-keyout", pair.key, "-out", file(`${name}.csr`), "-subj", `/CN=${name}`];
    await run("openssl", ["req", ...keyOptions, ...request]);
    await writeFile(file(`${name}.ext`), `subjectAltName=${alternatives}\n`);
    const by = ["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days", "2"];
    const made = ["-in", file(`${name}.csr`), "-out", pair.cert, "-extfile", file(`${name}.ext`)];
    await run("openssl", ["x509", "-req", ...by, ...made]);
    return pair;
  };
  return { folder, cert: file("ca.crt"), issue };
}

/** The bytes of a pair, as servers take them. */
export async function bytesOf({ cert, key }: Pair): Promise<{ cert: Buffer; key: Buffer }> {
  return { cert: await readFile(cert), key: await readFile(key) };
}
