import { type TSchema, Type } from "typebox";
import { Check, Errors } from "typebox/value";
import { invalid } from "../../core/support/errors.ts";

/** As Go reads JSON: what is null is not there. */
const maybe = <T extends TSchema>(type: T) => Type.Optional(Type.Union([type, Type.Null()]));
const texts = Type.Array(Type.String());
const textMap = Type.Record(Type.String(), Type.String());
const set = Type.Record(Type.String(), Type.Union([Type.Object({}), Type.Null()]));

/** The fields that anybody reads. Source: OCI image spec, "Image Configuration"; Docker refuses what is otherwise. */
const shape = Type.Object({
  variant: maybe(Type.String()),
  created: maybe(Type.String()),
  author: maybe(Type.String()),
  comment: maybe(Type.String()),
  docker_version: maybe(Type.String()),
  config: maybe(Type.Object({
    User: maybe(Type.String()),
    ExposedPorts: maybe(set),
    Env: maybe(texts),
    Entrypoint: maybe(texts),
    Cmd: maybe(texts),
    Volumes: maybe(set),
    WorkingDir: maybe(Type.String()),
    Labels: maybe(textMap),
    StopSignal: maybe(Type.String()),
    Shell: maybe(texts),
    Healthcheck: maybe(Type.Object({})),
    OnBuild: maybe(texts),
    ArgsEscaped: maybe(Type.Boolean()),
  })),
  history: maybe(Type.Array(Type.Object({
    created: maybe(Type.String()),
    created_by: maybe(Type.String()),
    comment: maybe(Type.String()),
    empty_layer: maybe(Type.Boolean()),
  }))),
});

/**
 * Refuses an image configuration with fields of wrong types: whoever made it could otherwise break whatever reads
 * them. Errors: `invalid`, naming the field.
 *
 * @param id the image's, for the error
 */
export function checkConfigShape(config: object, id: string): void {
  if (Check(shape, config)) return;
  const path = Errors(shape, config)[0]?.instancePath ?? "";
  throw invalid(`image configuration ${id} has a wrong type at ${path.slice(0, 100) || "/"}`);
}
