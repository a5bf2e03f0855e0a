import os
import subprocess


def started(name):
    # ruleid: shell
    subprocess.run(["ls", name], shell=True)
    # ruleid: shell
    os.system("ls")
    # ruleid: shell
    os.popen(f"ls {name}")
    # ruleid: command-is-text
    subprocess.run("ls -l")
    # ruleid: command-is-text
    subprocess.Popen(f"ls {name}", cwd="/")
    # ruleid: command-is-text
    subprocess.check_output("ls %s" % name)
    # ok: shell
    # ok: command-is-text
    subprocess.run(["ls", name], check=True)
