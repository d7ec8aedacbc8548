"""Print the headline table of a finished run and where its report lies: python show_headline.py results/<corpus>/<run>"""

import sys
from pathlib import Path

from emofuse.outputs import headline_text

if __name__ == "__main__":
    run = Path(sys.argv[1])
    print(f"\n{headline_text(run / 'tables/headline.csv')}\n\nReport: {run / 'report.html'}")
