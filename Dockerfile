# ndrite with a C++ compiler for simulated boards, and ngspice for exported decks:
#
#     docker build -t ndrite . && docker run --rm -v "$PWD:/work" ndrite compile model.onnx --chip wan2022 -o mine
#
# Written from Debian's and Python's published images; nobody has built it yet.
FROM python:3.13-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ make perl ngspice \
    && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN pip install --no-cache-dir "/source[onnx,sweep]" && rm -rf /source
WORKDIR /work
ENTRYPOINT ["ndrite"]
