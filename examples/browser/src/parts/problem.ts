/** What went wrong, in a sentence for people. */
export function problemOf(error: unknown): string {
  const { message } = error as Error;
  // Browsers word it differently, and name a file that means nothing to a visitor.
  if (!/dynamically imported module|importing a module/i.test(message)) return message;
  return "A part of this page that is loaded when it is needed could not be; connect to the network and try again.";
}
