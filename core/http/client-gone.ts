/** Why a request's signal fired: the client closed the connection before its response ended. */
export class ClientGone extends Error {
  constructor(cause?: unknown) {
    super("the client is gone", { cause });
    this.name = "ClientGone";
  }
}
