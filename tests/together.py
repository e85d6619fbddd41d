"""Calls at the same time, each on a connection of its own."""

import threading

from django.db import connection


def at_once(*acts):
    """Start all calls at the same time, each on its own connection. Returns their results in order."""
    answers, together = [None] * len(acts), threading.Barrier(len(acts))

    def run(number, act):
        try:
            together.wait(10)
            answers[number] = act()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers
