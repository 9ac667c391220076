"""The Ethernet link: datagrams and the session with one peer, UDP over IPv4,
frames, RGMII pins."""
