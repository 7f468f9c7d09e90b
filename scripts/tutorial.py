"""Record, publish and use episodes, with modules of the original: see scripts/tutorial."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import gymnasium
import keyring
import numpy as np
from gymnasium.spaces import Box, Discrete
from pytupli.benchmark import TupliEnvWrapper
from pytupli.dataset import TupliDataset
from pytupli.schema import EpisodeMetadataCallback, FilterEQ, FilterGEQ, RLTuple
from pytupli.storage import FileStorage, TupliAPIClient, TupliStorage

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.tupli import ADMIN, Keyring, running

EPISODES = 6


class Walk(gymnasium.Env[Any, Any]):  # type: ignore[misc]
    """A walk along a line, from 0 to its end."""

    def __init__(self, length: int = 4) -> None:
        """Say how long the line is."""
        self.observation_space = Box(0.0, float(length), (1,))
        self.action_space = Discrete(2)
        self.length = length
        self.at = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Go back to the start."""
        super().reset(seed=seed)
        self.at = 0.0
        return np.array([self.at]), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: ANN401 -- whatever it is given
        """Take a step forwards, or none."""
        self.at += float(action)
        return np.array([self.at]), float(action), self.at >= self.length, False, {"at": self.at}


class Total(EpisodeMetadataCallback):
    """Adds rewards up."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.total = 0.0

    def reset(self) -> None:
        """Begin anew."""
        self.total = 0.0

    def __call__(self, tuple: RLTuple) -> dict[str, Any]:
        """Add one more."""
        self.total += tuple.reward
        return {"total": self.total, "is_good": self.total >= 2}


def flow(storage: TupliStorage) -> str:
    """Take all steps; gives the hash of the benchmark."""
    made = TupliEnvWrapper(Walk(), storage=storage, metadata_callback=Total())
    uri = made.store(name="walk", description="along a line", difficulty="easy", version="1.0")
    made.publish()

    loaded = TupliEnvWrapper.load(
        storage=storage, benchmark_id=uri or made.id, metadata_callback=Total()
    )
    random = np.random.default_rng(1)
    loaded.activate_recording()
    steps = 0
    for _ in range(EPISODES):
        loaded.reset(seed=1)
        is_over = False
        while not is_over:
            _, _, is_over, _, _ = loaded.step(random.integers(0, 2))
            steps += 1
    loaded.deactivate_recording()

    (header,) = storage.list_benchmarks(FilterEQ(key="metadata.name", value="walk"))
    episodes = storage.list_episodes(FilterEQ(key="benchmark_id", value=header.id))
    assert len(episodes) == EPISODES
    if isinstance(storage, TupliAPIClient):
        for episode in episodes:
            storage.publish_episode(episode.id)
            assert episode.terminated

    dataset = (
        TupliDataset(storage=storage)
        .with_benchmark_filter(FilterEQ(key="metadata.name", value="walk"))
        .with_episode_filter(FilterGEQ(key="metadata.total", value=2))
    )
    assert len(dataset.preview()) == EPISODES
    dataset.load()
    observations, actions, rewards, terminals, timeouts = dataset.convert_to_tensors()
    assert len(observations) == len(actions) == len(rewards) == len(timeouts) == steps
    assert terminals.sum() == EPISODES
    assert rewards.sum() == 4 * EPISODES
    assert len(list(dataset.as_batch_generator(batch_size=10))) == -(-steps // 10)
    assert len(dataset.convert_to_d4rl_format()["rewards"]) == steps
    loaded.delete(delete_episodes=True)
    assert storage.list_benchmarks(FilterEQ(key="metadata.name", value="walk")) == []
    return str(header.hash)


def main() -> None:
    """Run it with both storages, and tell the hashes of the benchmark."""
    keyring.set_keyring(Keyring())
    hashes = []
    with tempfile.TemporaryDirectory() as folder:
        hashes.append(flow(FileStorage(f"{folder}/store")))
        with running(Path(folder) / "service") as service:
            client = TupliAPIClient()
            client.login(*ADMIN, url=service.url)
            hashes.append(flow(client))
    print(*sorted(set(hashes)))


if __name__ == "__main__":
    main()
