"""`merge`: what it writes and where, and when a run counts as merged."""

from __future__ import annotations

import pytest

from runfolders import RunFolder, task


@pytest.fixture
def done(run: RunFolder) -> RunFolder:
    """A run whose tasks are complete."""
    run.init(task("T-01"), task("T-02", ["T-01"]))
    run.complete("T-01", "T-02")
    return run


def is_merged(run: RunFolder) -> bool:
    """What `status` says, which says the same to people."""
    said: bool = run.status()["run"]["merged"]
    assert said is (", merged" in run.prepare("status").splitlines()[0])
    return said


class TestMerged:
    def test_it_is_true_while_the_final_output_is_what_was_made_of_all_results(self, done: RunFolder) -> None:
        assert not is_merged(done)
        done.here("merge")
        assert is_merged(done)
        final = done.folder / "final_output.md"
        made = final.read_bytes()
        final.write_bytes(made + b"\nA line by hand.\n")
        assert not is_merged(done)
        final.write_bytes(made)
        assert is_merged(done)
        final.unlink()
        assert not is_merged(done)
        final.symlink_to(done.project / "plan.yaml")
        assert not is_merged(done)
        done.prepare("merge")
        assert is_merged(done), "the link was replaced"

    def test_a_merge_into_another_file_says_nothing_about_the_final_output(self, done: RunFolder) -> None:
        done.here("merge", "--output", "elsewhere.md")
        assert not is_merged(done)
        assert not (done.folder / "final_output.md").exists()
        (event,) = done.events("merged")
        assert (event["file"], event["elsewhere"]) == (str(done.project / "elsewhere.md"), True)
        done.prepare("merge")
        done.prepare("merge", "--output", "elsewhere.md")
        assert is_merged(done), "what was merged before still holds"

    def test_the_final_output_may_be_named_itself(self, done: RunFolder) -> None:
        done.prepare("merge", "--output", ".orchestrator/final_output.md")
        assert is_merged(done)
        assert done.events("merged")[0]["file"] == ".orchestrator/final_output.md"

    def test_a_merge_with_gaps_does_not_count_and_a_later_change_ends_it(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02"))
        run.complete("T-01")
        run.prepare("merge", code=1)
        assert not is_merged(run)
        run.prepare("skip", "T-02")
        run.prepare("merge")
        assert is_merged(run)
        run.prepare("retry", "T-02")
        assert not is_merged(run)

    def test_it_survives_the_loss_of_what_is_only_a_cache(self, done: RunFolder) -> None:
        done.prepare("merge")
        (done.folder / "store" / "snapshot.json").unlink(missing_ok=True)
        assert is_merged(done)


class TestTheLimit:
    @pytest.mark.parametrize("limit", ["19999", "2500001", "0", "-1"])
    def test_one_that_no_prompt_can_keep_is_wrong_usage(self, done: RunFolder, limit: str) -> None:
        said = done.here("merge", "--strategy", "ai", "--limit", limit, code=2).stderr
        assert "expected 20,000 to 2,500,000 characters" in said
        assert done.events("merged") == []

    def test_it_is_for_the_model_alone(self, done: RunFolder) -> None:
        assert "--limit is for --strategy ai" in done.here("merge", "--limit", "30000", code=2).stderr

    def test_a_strategy_that_there_is_not_is_named(self, done: RunFolder) -> None:
        assert "there is no strategy 'best'" in done.here("merge", "--strategy", "best", code=2).stderr
