"""Print the headline table of a finished run and where its report lies.

python show_headline.py results/<corpus>/<run> [protocol, session if not named]
"""

import sys
from pathlib import Path

from emofuse.report.outputs import headline_text

if __name__ == "__main__":
    run = Path(sys.argv[1])
    protocol = sys.argv[2] if len(sys.argv) > 2 else "session"
    print(f"\n{headline_text(run / f'tables/{protocol}/headline.csv')}\n\nReport: {run / 'report.html'}")
