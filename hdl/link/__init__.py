"""The byte-stream link: UART pins, COBS framing, CRC-32, packet reception and transmission."""
