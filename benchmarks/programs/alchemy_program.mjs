// The measured work as a program for alchemy: WORK SHAPE SIZE FOLDER.
// Its file-system state, a resource whose handler does nothing, what can run at once declared at once.
import alchemy, { Resource } from "alchemy";

const [work, shape, count, folder] = process.argv.slice(2);
const size = Number(count);

const Thing = Resource("bench::Thing", { destroyStrategy: "parallel" }, async function (id, props) {
  if (this.phase === "delete") return this.destroy();
  return { ...props, arn: `arn:${id}` };
});

// It opens a file for each resource that is under way, and a process may have only so many.
const ATONCE = 500;

async function every(count, declare) {
  const made = [];
  for (let start = 0; start < count; start += ATONCE) {
    const batch = [];
    for (let i = start; i < Math.min(start + ATONCE, count); i++) batch.push(declare(i));
    made.push(...(await Promise.all(batch)));
  }
  return made;
}

const shapes = {
  flat: () => every(size, (i) => Thing(`t${i}`, { size: i, label: `label-${i}`, tags: { n: String(i) } })),
  async layered() {
    const width = size / 20;
    let above = [];
    const made = [];
    for (let layer = 0; layer < 20; layer++) {
      const upper = above;
      above = await every(width, (i) =>
        layer === 0
          ? Thing(`t${layer}x${i}`, { size: i, label: `label-${i}` })
          : Thing(`t${layer}x${i}`, { size: i, label: upper[i].arn, tags: { b: upper[(7 * i + 3) % width].arn } }),
      );
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
  secrets: () => every(size, (i) => Thing(`t${i}`, { size: i, label: alchemy.secret(`secret-${i}`) })),
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
