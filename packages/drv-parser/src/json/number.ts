/**
 * A finite double as nlohmann's JSON library prints it, and with it Nix: the digits of Grisu2, which are the shortest
 * but for one value in a thousand; as a plain decimal from 0.0001 up to 10^15, else with an exponent of a sign and two
 * digits at least.
 *
 * @see nlohmann/json: include/nlohmann/detail/conversions/to_chars.hpp, `to_chars`
 */
export function printDouble(value: number): string {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (value === 0) return `${sign}0.0`;
  const { digits, exponent } = grisu2(Math.abs(value));
  const point = digits.length + exponent;
  if (point > -4 && point <= 15) return sign + plainDecimal(digits, point);
  const power = point - 1;
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
  const size = String(Math.abs(power)).padStart(2, "0");
  return `${sign}${digits[0]}${fraction}e${power < 0 ? "-" : "+"}${size}`;
}

/** `digits` with the point before the one at index `point`, and a digit at either side of it. */
function plainDecimal(digits: string, point: number): string {
  if (point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  return `${digits.slice(0, point).padEnd(point, "0")}.${digits.slice(point) || "0"}`;
}

/** The number `fraction · 2^exponent`. Normalised, the fraction has 64 bits. */
interface Scaled {
  readonly fraction: bigint;
  readonly exponent: number;
}

/** Decimal digits, to be taken times `10^exponent`. */
interface Decimal {
  readonly digits: string;
  readonly exponent: number;
}

/**
 * Digits of a positive double: the shortest that lie between its neighbours as far as 64 bits can tell, which now and
 * then are one too many.
 *
 * @see F. Loitsch, "Printing floating-point numbers quickly and accurately with integers" (2010), section 5
 */
function grisu2(value: number): Decimal {
  const { exact, low, high } = withBoundaries(value);
  const power = powerFor(high.exponent);
  const upper = product(high, power).fraction - 1n; // One unit inside, as products are off by less than one.
  const lower = product(low, power).fraction + 1n;
  const { fraction, exponent } = product(exact, power);
  const decimal = generate({
    upper,
    width: upper - lower,
    distance: upper - fraction,
    shift: BigInt(-exponent),
  });
  return { digits: decimal.digits, exponent: decimal.exponent - power.decimal };
}

/** The double, normalised, and the middles between it and its neighbours, with one exponent. */
function withBoundaries(value: number): {
  readonly exact: Scaled;
  readonly low: Scaled;
  readonly high: Scaled;
} {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const stored = bits.getBigUint64(0);
  const [biased, mantissa] = [Number(stored >> 52n), stored & (hidden - 1n)];
  const fraction = biased === 0 ? mantissa : mantissa | hidden;
  const exponent = Math.max(biased, 1) - 1075;
  const high = normalised({ fraction: 2n * fraction + 1n, exponent: exponent - 1 });
  // Below a power of two the neighbour is half as far.
  const low =
    mantissa === 0n && biased > 1
      ? { fraction: 4n * fraction - 1n, exponent: exponent - 2 }
      : { fraction: 2n * fraction - 1n, exponent: exponent - 1 };
  return {
    exact: normalised({ fraction, exponent }),
    low: { fraction: low.fraction << BigInt(low.exponent - high.exponent), exponent: high.exponent },
    high,
  };
}

/** The bit of a double's mantissa that is not stored. */
const hidden = 1n << 52n;

function normalised({ fraction, exponent }: Scaled): Scaled {
  const shift = 64 - fraction.toString(2).length;
  return { fraction: fraction << BigInt(shift), exponent: exponent - shift };
}

/** Rounded to 64 bits. */
function product(a: Scaled, b: Scaled): Scaled {
  return { fraction: (a.fraction * b.fraction + (1n << 63n)) >> 64n, exponent: a.exponent + b.exponent + 64 };
}

/** A power of ten, every eighth, that brings a normalised number of this exponent to one between -60 and -32. */
function powerFor(exponent: number): Scaled & { readonly decimal: number } {
  const least = Math.ceil(((-61 - exponent) * 78913) / 2 ** 18);
  const decimal = Math.ceil((least + 300) / 8) * 8 - 300;
  return { ...powerOfTen(decimal), decimal };
}

/** `10^decimal`, rounded to 64 bits. */
function powerOfTen(decimal: number): Scaled {
  const ten = 10n ** BigInt(Math.abs(decimal));
  const size = ten.toString(2).length;
  if (decimal >= 0)
    return size <= 64
      ? normalised({ fraction: ten, exponent: 0 })
      : { fraction: rounded(ten, 1n << BigInt(size - 64)), exponent: size - 64 };
  // The quotient of 2^(size + 63) has 64 bits: a power of ten is between two powers of two.
  return { fraction: rounded(1n << BigInt(size + 63), ten), exponent: -(size + 63) };
}

function rounded(dividend: bigint, divisor: bigint): bigint {
  return (2n * dividend + divisor) / (2n * divisor);
}

/** What digits are made from: all are fractions of one exponent, `-shift`. */
interface Range {
  readonly upper: bigint;
  /** From the lower end of the range to the upper. */
  readonly width: bigint;
  /** From the number itself to the upper end. */
  readonly distance: bigint;
  readonly shift: bigint;
}

/** Digits of the upper end, as many as are needed to be inside the range, the last one moved towards the number. */
function generate({ upper, width, distance, shift }: Range): Decimal {
  const one = 1n << shift;
  const whole = (upper >> shift).toString();
  let rest = upper & (one - 1n);
  for (let count = 1; count <= whole.length; count += 1) {
    const unit = (10n ** BigInt(whole.length - count)) << shift;
    const left = upper % unit;
    if (left <= width)
      return {
        digits: nearer(whole.slice(0, count), { width, distance, left, unit }),
        exponent: whole.length - count,
      };
  }
  let [digits, exponent, scaledWidth, scaledDistance] = [whole, 0, width, distance];
  do {
    rest *= 10n;
    digits += (rest >> shift).toString();
    rest &= one - 1n;
    exponent -= 1;
    scaledWidth *= 10n;
    scaledDistance *= 10n;
  } while (rest > scaledWidth);
  return {
    digits: nearer(digits, { width: scaledWidth, distance: scaledDistance, left: rest, unit: one }),
    exponent,
  };
}

/** Lowers the last digit while that brings the digits nearer to the number and keeps them inside the range. */
function nearer(
  digits: string,
  { width, distance, left, unit }: Record<"width" | "distance" | "left" | "unit", bigint>,
): string {
  let last = Number(digits.at(-1));
  for (
    let from = left;
    from < distance &&
    width - from >= unit &&
    (from + unit < distance || distance - from > from + unit - distance);
    from += unit
  )
    last -= 1;
  return digits.slice(0, -1) + String(last);
}
