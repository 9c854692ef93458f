"""One attempt to post an input: it goes on where an earlier one has stopped, and keeps what the next one needs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming import (
    Cursor,
    DeadLetters,
    Note,
    PostSummary,
    SettledRecords,
)
from airflow_provider_flowservice.operators.letter_files import LetterFile, Part, letter_file
from airflow_provider_flowservice.operators.progress import PostProgress
from airflow_provider_flowservice.operators.task_state import is_last_attempt

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_flowservice.client.streaming import Plan
    from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
    from airflow_provider_flowservice.operators.input_files import InputFiles, InputMessages
    from airflow_provider_flowservice.operators.task_state import TaskState

    Input = InputFiles | InputMessages

log = logging.getLogger(__name__)


class _Saved(Frozen, frozen=True):
    """What an attempt saves for the next one.

    :param note: what has become of the records.
    :param letters: where the dead letters of the settled ones are.
    """

    note: Note
    letters: Part | None = None


class Posting:
    """Posts an input, in one attempt of a task.

    :param find: returns the input.
    :param skip_records: number of records at its beginning that are left out.
    :param letter_path: the file of dead letters, if one is wanted.
    :param task_state: what the attempts of the task save.
    """

    def __init__(
        self,
        context: Context,
        find: Callable[[], Input],
        *,
        skip_records: int,
        letter_path: ObjectStoragePath | None,
        task_state: TaskState,
    ) -> None:
        self._context = context
        self._find = find
        self._skip_records = skip_records
        self._letter_path = letter_path
        self._task_state = task_state
        self.summary = PostSummary()

    def run(self, hook: FlowServiceHook, plan: Plan) -> DeadLetters:
        """Post the records.

        :returns: the dead letters, of which the task's error message shows some.
        :raises FlowServiceError: if the posting fails; another attempt goes on.
        """
        if not self._task_state.is_kept and getattr(self._context.get("ti"), "try_number", 1) > 1:
            log.warning(
                "This Airflow keeps nothing between attempts: posting from the beginning, so what an earlier attempt"
                " has sent arrives twice. Airflow 3.3 goes on; an older one does if the task has a dead_letter_path"
            )
        state = self._task_state.load()
        saved = _Saved.from_json(state) if state else _Saved(Note(PostSummary(settled=self._skip_records)))
        settled = SettledRecords(self._skip_records, saved.note.marks, saved.note.above)
        with ExitStack() as opened:
            letters = opened.enter_context(self._letter_file(saved))
            # Not before: if the input is gone, the letters of an earlier attempt are still published.
            source = self._find()
            records = opened.enter_context(self._records(source))
            while not settled.check(records):
                log.warning(
                    "The input has changed since the interrupted attempt: posting it from record %d on, although some"
                    " of the records that follow may have been sent",
                    settled.end,
                )
                records = opened.enter_context(self._records(source))
            resumed = saved.note.resumed(settled)
            if state:
                log.info(
                    "Going on where an earlier attempt has stopped: it has settled the records up to %d, and may have"
                    " sent those up to %d",
                    settled.end,
                    saved.note.sending_below,
                )
            if letters:
                letters.open(resumed.failures)
            dead_letters = DeadLetters(letters.write if letters else None)

            def save(note: Note) -> None:
                # Another attempt does not report the failures of settled records again.
                dead_letters.settle()
                self._task_state.save(_Saved(note, letters.part if letters else None).to_json())

            progress = PostProgress(self._context, resumed, source)
            poster = hook.poster(
                plan,
                settled=settled,
                note=saved.note,
                on_failure=dead_letters.add,
                on_note=save,
                on_progress=progress.report_if_due,
            )
            try:
                poster.post(iter(records))
            except BaseException as error:
                # After Airflow's timeout, which is no Exception, no note follows. It may have interrupted this call.
                if is_last_attempt(self._context, error):
                    dead_letters.settle()
                raise
            finally:
                self.summary = poster.summary
                progress.end(poster)
            dead_letters.settle()
            # A task that is cleared must send everything again. Another attempt of this one must not, so the state is
            # cleared before the letters are published, which removes what is kept beside them.
            self._task_state.clear()
        return dead_letters

    @contextmanager
    def _records(self, source: Input) -> Iterator[Cursor]:
        with source.opened() as records:
            cursor = Cursor(records)
            for _ in cursor.take(self._skip_records):
                pass
            yield cursor

    @contextmanager
    def _letter_file(self, saved: _Saved) -> Iterator[LetterFile | None]:
        """Open the dead letter file, if one is wanted. In the end, it has the letters of all settled records."""
        if self._letter_path is None:
            yield None
            return
        file = letter_file(self._letter_path, self._context, saved.letters, saved.note.settled.failures)
        try:
            yield file
        except BaseException as error:  # Airflow's timeout is no Exception.
            if is_last_attempt(self._context, error):
                file.finish(failed=True)
            raise
        else:
            file.finish(failed=False)
        finally:
            file.close()
