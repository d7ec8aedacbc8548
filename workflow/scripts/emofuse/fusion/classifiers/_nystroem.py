"""Support vector machines on a Nystroem map of the RBF kernel, for more training turns than a kernel can be made of."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from emofuse.fusion.vectors import Prediction, blas_threads, side_by_side

LANDMARKS = 1_000  # training turns whose kernel with a turn is what is known of it
SEEN = 500_000  # turns that a machine learns from over its epochs: 50 epochs of 10,000 turns, 6 of 80,000
CHUNK = 4_096  # turns that are mapped at once, in float64: 32 MB of kernel and as much of map


class Approximated:
    """Linear machines, one a candidate, one class against the rest, on `LANDMARKS` numbers a turn whose products approximate
    the kernel (Williams & Seeger 2001, by sklearn's Nystroem), learned by averaged stochastic gradient descent. Landmarks and
    order are drawn from the training turns by the lesson's seed.

    strengths, gammas: C and kernel width of each candidate. Where two classes' decision values are equal, the first is said.
    """

    def __init__(self, lesson, strengths, gammas, note):
        from sklearn.kernel_approximation import Nystroem
        from sklearn.linear_model import SGDClassifier

        self.threads, self.gammas, self.note = lesson.threads, gammas, note
        self.maps, self.machines = {}, [None] * len(gammas)
        count = min(LANDMARKS, len(lesson.labels))
        rows = np.random.default_rng(lesson.seed).choice(len(lesson.labels), count, replace=False)
        landmarks = side_by_side({name: x[rows] for name, x in lesson.blocks.items()})

        def train(number):
            machine = SGDClassifier(  # with the hinge loss; alpha is to the mean over turns what 1 / C is to their sum
                alpha=1 / (strengths[number] * len(lesson.labels)),
                max_iter=max(1, round(SEEN / len(lesson.labels))),
                tol=None,
                average=True,
                random_state=lesson.seed,
            )
            self.machines[number] = machine.fit(mapped, lesson.labels)

        for gamma in dict.fromkeys(gammas):
            with blas_threads(self.threads):
                self.maps[gamma] = Nystroem(gamma=gamma, n_components=count, random_state=lesson.seed).fit(landmarks)
                mapped = np.concatenate([self._map(gamma, chunk) for chunk in chunks(lesson.blocks)])
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(train, [n for n, other in enumerate(gammas) if other == gamma]))

    def predict(self, blocks, wanted):
        scores = {number: [] for number in wanted}
        for chunk in chunks(blocks):
            for gamma in dict.fromkeys(self.gammas[number] for number in scores):
                with blas_threads(self.threads):
                    mapped = self._map(gamma, chunk)
                    for number in (n for n in scores if self.gammas[n] == gamma):
                        scores[number].append(self.machines[number].decision_function(mapped))
        said = {number: np.concatenate(of).astype(np.float64) for number, of in scores.items()}
        said = {number: np.column_stack([-x, x]) if x.ndim == 1 else x for number, x in said.items()}
        return [Prediction(said[number].argmax(axis=1), said[number], [self.note]) for number in wanted]

    def _map(self, gamma, chunk):
        """(n, LANDMARKS) float32."""
        return self.maps[gamma].transform(side_by_side(chunk)).astype(np.float32)


def chunks(blocks, size=None):
    """Yield blocks, {name: (n or 1, d)}, as such of `size` (CHUNK) rows at most, in order; those of one row stand in each."""
    size, rows = size or CHUNK, max(len(x) for x in blocks.values())
    if rows <= size:
        yield blocks  # the arrays themselves, by which `Distances` knows them
        return
    for start in range(0, rows, size):
        yield {name: x if len(x) == 1 else x[start : start + size] for name, x in blocks.items()}
