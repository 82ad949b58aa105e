import { containerEngineContract } from "../contract/container-engine.ts";
import { FakeEngine, fakeImage } from "./fake-engine.ts";

containerEngineContract("fake engine", async (undo) => {
  const engine = new FakeEngine();
  undo.add("engine", () => engine.close());
  return {
    engine,
    image: fakeImage(),
    commands: {
      print: (stdout, stderr, code) => ["print", stdout, stderr, String(code)],
      copy: ["copy"],
      stay: ["stay"],
      missing: ["no-such-program"],
      forbidden: ["/forbidden"],
    },
  };
});
