import { invalid } from "../../core/support/errors.ts";
import type { Repository } from "./repository.ts";
import { parseUrl } from "./transport.ts";

const pageLimitBytes = 4 * 1024 * 1024;
const mostPages = 100;
const mostTags = 100_000;

/** All tags of a repository, page by page. Source: OCI distribution spec, "Listing Tags". */
export async function listTags(repository: Repository, signal: AbortSignal): Promise<string[]> {
  const tags: string[] = [];
  let path: string | undefined = "tags/list";
  for (let page = 0; path !== undefined; page++) {
    if (page === mostPages) throw invalid(`the registry lists tags on more than ${mostPages} pages`);
    const answer = await repository.get(path, signal, { headers: { accept: "application/json" } });
    for (const tag of tagsOf(await answer.whole(pageLimitBytes))) tags.push(tag);
    if (tags.length > mostTags) throw invalid(`the registry lists more than ${mostTags} tags`);
    path = nextPage(repository, answer.headers.link);
  }
  return tags;
}

function tagsOf(bytes: Uint8Array): string[] {
  let body: { tags?: unknown } | null;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw invalid("the registry sent a list of tags that is not JSON", error);
  }
  const tags = body?.tags ?? [];
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string")) {
    throw invalid("the registry sent a list of tags that is not a list of strings");
  }
  return tags;
}

/** Only the query of the link is taken: the next page cannot be somewhere else. */
function nextPage(repository: Repository, link: string | string[] | undefined): string | undefined {
  const target = /<([^>]*)>\s*;\s*rel="?next"?/.exec(String(link ?? ""))?.[1];
  const url = target === undefined ? undefined : parseUrl(target, repository.address("tags/list"));
  return url ? `tags/list${url.search}` : undefined;
}
