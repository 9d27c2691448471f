// The measured work as a program for alchemy: WORK SHAPE SIZE FOLDER.
// Its file-system state, a resource whose handler does nothing, what can run at once declared at once.
import alchemy, { Resource } from "alchemy";

const [work, shape, count, folder] = process.argv.slice(2);
const size = Number(count);

const Thing = Resource("bench::Thing", { destroyStrategy: "parallel" }, async function (id, props) {
  if (this.phase === "delete") return this.destroy();
  return { ...props, arn: `arn:${id}` };
});

const shapes = {
  async flat() {
    const all = [];
    for (let i = 0; i < size; i++) all.push(Thing(`t${i}`, { size: i, label: `label-${i}`, tags: { n: String(i) } }));
    return await Promise.all(all);
  },
  async layered() {
    const width = size / 20;
    let above = [];
    const made = [];
    for (let layer = 0; layer < 20; layer++) {
      const row = [];
      for (let i = 0; i < width; i++)
        row.push(
          layer === 0
            ? Thing(`t${layer}x${i}`, { size: i, label: `label-${i}` })
            : Thing(`t${layer}x${i}`, { size: i, label: above[i].arn, tags: { b: above[(7 * i + 3) % width].arn } }),
        );
      above = await Promise.all(row);
      made.push(...above);
    }
    return made;
  },
  async chain() {
    const made = [];
    let label = "first";
    for (let i = 0; i < size; i++) {
      const thing = await Thing(`t${i}`, { size: i, label });
      label = thing.arn;
      made.push(thing);
    }
    return made;
  },
  async secrets() {
    const all = [];
    for (let i = 0; i < size; i++) all.push(Thing(`t${i}`, { size: i, label: alchemy.secret(`secret-${i}`) }));
    return await Promise.all(all);
  },
};

const app = await alchemy("bench", {
  stage: "bench",
  rootDir: folder,
  phase: work === "destroy" ? "destroy" : "up",
  destroyStrategy: "parallel",
  password: "a passphrase of the benchmark",
  quiet: true,
  noTrack: true,
});
const made = await shapes[shape]();
if (made.length !== size) throw new Error(`${made.length} resources, expected ${size}`);
await app.finalize();
