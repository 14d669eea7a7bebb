/** Waits for something that another process does; the test fails after 20 seconds. */
export async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !holds(); ) {
    if (Date.now() > end) throw new Error("it did not come to pass within 20 seconds");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
