import { FormatError } from '../../format-error.ts';

/** The product lines whose reports this package reads. Bergamo and Siena are Genoa here: they share its root and its layouts. */
export const PRODUCTS = ['Milan', 'Genoa', 'Turin'] as const;
export type Product = (typeof PRODUCTS)[number];

/** What CPUID says of the processor, combined family and model. In a report of version 3 or later. */
export interface Cpuid {
  family: number;
  model: number;
  stepping: number;
}

/** The product line of a processor; null when this package knows no layout for it: then nothing is guessed. */
export function productOf({ family, model }: Cpuid): Product | null {
  if (family === 0x19 && model <= 0x0f) return 'Milan';
  if (family === 0x19 && ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf))) return 'Genoa';
  return family === 0x1a && model <= 0x11 ? 'Turin' : null;
}

/** Security patch levels of the parts of a platform's firmware. `fmc` only where the product has one. */
export interface Tcb {
  bootloader: number;
  tee: number;
  snp: number;
  microcode: number;
  fmc?: number;
}

/** Takes the eight bytes of a TCB version apart, as `product` lays them out. @throws FormatError when a reserved byte is set */
export function readTcb(bytes: Uint8Array, product: Product): Tcb {
  const at = (i: number): number => bytes[i] ?? 0;
  const [reserved, tcb] =
    product === 'Turin'
      ? [[4, 5, 6], { fmc: at(0), bootloader: at(1), tee: at(2), snp: at(3), microcode: at(7) }]
      : [[2, 3, 4, 5], { bootloader: at(0), tee: at(1), snp: at(6), microcode: at(7) }];
  if (bytes.length !== 8 || reserved.some((i) => at(i) !== 0)) {
    throw new FormatError(`a TCB version has reserved bytes set that ${product} does not use`);
  }
  return tcb;
}

/** The first component of `least` that `tcb` falls short of, or lacks; null when it has all of them. */
export function shortOf(tcb: Tcb, least: Partial<Tcb>): string | null {
  const parts: (keyof Tcb)[] = ['fmc', 'bootloader', 'tee', 'snp', 'microcode'];
  const short = parts.find((part) => {
    const wanted = least[part];
    return wanted !== undefined && (tcb[part] ?? -1) < wanted;
  });
  if (short === undefined) return null;
  return `${short} is ${tcb[short] ?? 'not a part of this product'}, less than ${least[short]}`;
}

/** A TCB version in words, for reports. */
export function tcbText({ fmc, bootloader, tee, snp, microcode }: Tcb): string {
  return `${fmc === undefined ? '' : `fmc ${fmc}, `}bootloader ${bootloader}, tee ${tee}, snp ${snp}, microcode ${microcode}`;
}
