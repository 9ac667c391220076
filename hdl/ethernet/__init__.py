"""The Ethernet link: datagrams and the session of their peer, UDP over IPv4, frames, RGMII pins."""
