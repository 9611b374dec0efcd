"""The process that runs a network of anyone: `python -m ...child`, requests on standard input.

It gives up rights before it loads the network: no writing, no core dumps, limits on memory and, for
each request, on CPU time.
"""

from __future__ import annotations

import numpy as np

from counterface.array_pipe import give_up_rights, limit_cpu, open_pipes, receive, send


def main() -> None:
    """Load the network of the first message, then runs it for each further one."""
    source, sink = open_pipes()
    import onnxruntime

    from counterface.device import onnx_options

    first, arrays = receive(source)
    cpu_s = int(first["cpu_s"])
    give_up_rights(int(first["memory_mb"]))
    limit_cpu(cpu_s)
    try:
        session = onnxruntime.InferenceSession(
            arrays["file"].tobytes(), onnx_options(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # noqa: BLE001  (onnxruntime raises a family of untyped errors)
        send(sink, {"error": str(error)})
        return
    send(
        sink,
        {
            "metadata": session.get_modelmeta().custom_metadata_map,
            "inputs": [[i.name, list(i.shape)] for i in session.get_inputs()],
            "outputs": [[o.name, list(o.shape)] for o in session.get_outputs()],
        },
    )
    while True:
        try:
            message, arrays = receive(source)
        except EOFError:
            return
        limit_cpu(cpu_s)
        try:
            values = session.run(message["outputs"], arrays)
            send(sink, {}, dict(zip(message["outputs"], map(np.asarray, values), strict=True)))
        except Exception as error:  # noqa: BLE001
            send(sink, {"error": str(error)})


if __name__ == "__main__":
    main()
