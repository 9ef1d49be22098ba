/** What a process held at one time. */
export interface Sample {
  /** Seconds since the load began. */
  at: number;
  rss_mib: number;
  descriptors: number;
  processes: number;
}

type Quantity = Exclude<keyof Sample, 'at'>;

/** How one quantity went over the second half of the run, when everything is warm. */
export interface Course {
  quantity: Quantity;
  mean: number;
  /** Of the line that fits the samples best: by how much it rises over that half. */
  rise: number;
  bound: number;
  flat: boolean;
}

/** A rise counts as growth beyond this share of the mean, and beyond this much: collections and connections come and go. */
const BOUNDS: Record<Quantity, { share: number; least: number }> = {
  rss_mib: { share: 0.15, least: 32 },
  descriptors: { share: 0.15, least: 24 },
  processes: { share: 0, least: 2.5 },
};

export function coursesOf(samples: readonly Sample[]): Course[] {
  const half = samples.slice(Math.floor(samples.length / 2));
  return (Object.keys(BOUNDS) as Quantity[]).map((quantity) => courseOf(quantity, half));
}

function courseOf(quantity: Quantity, half: readonly Sample[]): Course {
  const mean = meanOf(half.map((sample) => sample[quantity]));
  const rise =
    slopeOf(half.map((sample) => [sample.at, sample[quantity]])) * ((half.at(-1)?.at ?? 0) - (half[0]?.at ?? 0));
  const { share, least } = BOUNDS[quantity];
  const bound = Math.max(share * mean, least);
  return { quantity, mean: round(mean), rise: round(rise), bound: round(bound), flat: rise <= bound };
}

/** By least squares. */
function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const x = meanOf(points.map(([each]) => each));
  const y = meanOf(points.map(([, each]) => each));
  const along = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  const spread = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
  return spread === 0 ? 0 : along / spread;
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / values.length;
const round = (value: number): number => Math.round(value * 10) / 10;
