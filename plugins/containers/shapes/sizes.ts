import type { ContainerEngine } from "../backend.ts";
import type { Container } from "../model/container.ts";

/** `SizeRw` and `SizeRootFs`, in bytes; without the former when the engine cannot tell. */
export async function sizesOf(
  { id, facts }: Container,
  engine: ContainerEngine,
): Promise<{ SizeRw?: number; SizeRootFs: number }> {
  const written = await engine.writtenBytes?.(id);
  return {
    ...(written !== undefined && { SizeRw: written }),
    SizeRootFs: facts.imageSizeBytes + (written ?? 0),
  };
}
