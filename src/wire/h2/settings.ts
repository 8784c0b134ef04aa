// What a setting's value may be (RFC 9113, 6.5.2). What it means is for whoever it concerns.

import { DEFAULT_FRAME_BYTES, H2_ERROR, MAX_WINDOW_BYTES, SETTING } from './frames.ts';

/** A frame's length has 24 bits. */
const MAX_FRAME_BYTES = 0xff_ffff;

/** The H2_ERROR that a setting of the peer is, NO_ERROR for a good or unknown one. */
export function settingError(id: number, value: number): number {
  switch (id) {
    case SETTING.ENABLE_PUSH:
      return value > 1 ? H2_ERROR.PROTOCOL_ERROR : H2_ERROR.NO_ERROR;
    case SETTING.INITIAL_WINDOW_SIZE:
      return value > MAX_WINDOW_BYTES ? H2_ERROR.FLOW_CONTROL_ERROR : H2_ERROR.NO_ERROR;
    case SETTING.MAX_FRAME_SIZE:
      return value < DEFAULT_FRAME_BYTES || value > MAX_FRAME_BYTES ? H2_ERROR.PROTOCOL_ERROR : H2_ERROR.NO_ERROR;
  }
  return H2_ERROR.NO_ERROR;
}
