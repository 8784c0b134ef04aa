// Stream ids that a client passed over: nobody used them, and nobody may any more (RFC 9113, 5.1.1). The last gap is enough: who
// comes back to an older one is told the same in other words.

export class Gap {
  #from = 0;
  #to = 0;

  /** `streamId` has begun, and the one before it was `lastId`. */
  note(lastId: number, streamId: number): void {
    if (streamId <= lastId + 2) return;
    this.#from = lastId;
    this.#to = streamId;
  }

  has(streamId: number): boolean {
    return streamId > this.#from && streamId < this.#to;
  }
}
