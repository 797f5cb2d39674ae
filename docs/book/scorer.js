// Where one lands first who searches: in a lesson, then on a page, and only then in the reference.
const PLACES = [["notebooks/", 300], ["docs/glossary", 200], ["models", 200], ["docs/", 100], ["api/", -100]];

var Scorer = {
  score: ([page, , , , score]) => score + (PLACES.find(([place]) => page.startsWith(place)) ?? ["", 0])[1],
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
