// Whether a worker's event loop still turns, told from the beats on its lane. What counts is how often we looked and saw none,
// not how much time has passed: after a pause of the whole process (SIGSTOP, a suspended machine) everybody is late, and
// nobody hangs.

/** How often to look, ms. */
export const LOOK_MS = 1000;
/** So many looks without a beat: longer than any pause of the garbage collector, shorter than anybody's patience. */
const HUNG_LOOKS = 10;
/** Before the first beat: reading the code of a cold disk takes its time. */
const UNBORN_LOOKS = 30;

export class Pulse {
  #beats = 0;
  #silentLooks = 0;

  /** To be called every LOOK_MS with the beats so far. Gives for how many looks there was none, when that is too many; else 0. */
  look(beats: number): number {
    if (beats !== this.#beats) {
      this.#beats = beats;
      this.#silentLooks = 0;
      return 0;
    }
    this.#silentLooks++;
    return this.#silentLooks >= (beats === 0 ? UNBORN_LOOKS : HUNG_LOOKS) ? this.#silentLooks : 0;
  }
}
