!> The published sampler of one site, step by step (PRODA, da_cesm2_clm5_cen_vr_v2.m, lines 290-590).
!>
!> Chains run one after the other. Part 1 proposes uniformly around the last state; part 2 proposes from a normal
!> distribution whose covariance is that of part 1 and, after 4,000 iterations, of all states of part 2. A proposal is
!> accepted with probability exp(-(change of cost) ln(iteration + 2)): the density sharpens as the chain proceeds, so
!> the spread of its states is not that of a posterior. Other peculiarities are marked "as published".
!>
!> A site is a state machine that proposes a point and then receives its cost: several sites are evaluated at once.
module published_scheme
   use kinds, only: dp
   use random_numbers, only: generator
   use running_covariance, only: add_to_factor, cholesky_factor, moments
   implicit none (type, external)
   private

   public :: published_site

   real(dp), parameter :: first_half_width = 0.1_dp
   real(dp), parameter :: narrowing = 1.1_dp
   integer, parameter :: fewest_accepted = 50
   integer, parameter :: most_retries = 3
   real(dp), parameter :: first_spread = 2.4_dp     !< as published: not its square
   integer, parameter :: learning_starts = 4000
   real(dp), parameter :: least_acceptance = 0.1_dp, most_acceptance = 0.5_dp
   integer, parameter :: most_restarts = 5
   real(dp), parameter :: cost_of_singular = 100.0_dp
   !> Draws in which no proposal within the bounds is found before a chain starts anew; stands for the 60 s that the
   !> published code waits, at 0.2 ms per draw.
   integer, parameter :: most_draws = 300000

   integer, parameter :: part_before = 0, part_uniform = 1, part_normal = 2

   type :: published_site
      integer :: n_first = 0, n_second = 0, n_chains = 0
      type(generator) :: stream
      integer :: chain = 1, restarts = 0, evaluations = 0
      logical :: finished = .false., abandoned = .false.
      real(dp), allocatable :: proposal(:)          !< to be evaluated next, in the unit cube
      real(dp), allocatable :: kept(:, :)           !< accepted states of part 2 of this chain
      real(dp), allocatable :: kept_cost(:)
      real(dp), allocatable :: kept_carbon(:, :)    !< modelled carbon at the observations
      integer :: accepted = 0
      logical :: chain_finished = .false.
      integer, private :: part = part_before, iteration = 1, retries = 0
      logical, private :: retried = .false.
      real(dp), private :: start_cost = 0.0_dp, cost = 0.0_dp, change = 0.0_dp, half_width = first_half_width
      real(dp), private :: spread = first_spread, acceptance = 0.0_dp
      real(dp), allocatable, private :: point(:), factor(:, :), carbon(:)
      type(moments), private :: history
   contains
      procedure :: begin_site
      procedure :: receive
      procedure :: next_chain
      procedure, private :: begin_chain
      procedure, private :: begin_part_normal
      procedure, private :: propose
      procedure, private :: propose_normal
      procedure, private :: finish_uniform_step
      procedure, private :: finish_normal_step
   end type published_site

contains

   !> The first point is the middle of the bounds; every chain starts from its cost.
   pure subroutine begin_site(self, n_dimensions, n_obs)
      class(published_site), intent(inout) :: self
      integer, intent(in) :: n_dimensions, n_obs

      allocate (self%proposal(n_dimensions), self%point(n_dimensions), self%factor(n_dimensions, n_dimensions))
      allocate (self%kept(n_dimensions, self%n_second), self%kept_cost(self%n_second))
      allocate (self%kept_carbon(n_obs, self%n_second), self%carbon(n_obs))
      self%proposal = 0.5_dp
      self%carbon = 0.0_dp
   end subroutine begin_site

   !> Take the cost of the proposal, accept or reject it, and make the next.
   pure subroutine receive(self, cost, singular, carbon)
      class(published_site), intent(inout) :: self
      real(dp), intent(in) :: cost        !< of the proposal
      logical, intent(in) :: singular     !< whether the published code would have called it singular
      real(dp), intent(in) :: carbon(:)   !< modelled carbon at the observations
      real(dp) :: new_cost, deviate

      self%evaluations = self%evaluations + 1
      if (self%part == part_before) then
         self%start_cost = cost
         call self%begin_chain()
         call self%propose()
         return
      end if
      new_cost = merge(self%cost + cost_of_singular, cost, singular)
      ! As published: in part 2 a singular proposal is judged by the change of cost of the one before it.
      if (self%part == part_uniform .or. .not. singular) self%change = new_cost - self%cost
      if (.not. singular) self%carbon = carbon
      call self%stream%uniform(deviate)
      if (exp(-self%change*log(real(self%iteration + 2, dp))) > deviate) then
         self%accepted = self%accepted + 1
         self%point = self%proposal
         self%cost = new_cost
         if (self%part == part_normal) then
            self%kept(:, self%accepted) = self%point
            self%kept_cost(self%accepted) = self%cost
            self%kept_carbon(:, self%accepted) = self%carbon
            self%acceptance = real(self%accepted, dp)/real(self%iteration, dp)
         end if
      end if
      if (self%part == part_uniform) then
         call self%finish_uniform_step()
      else
         call self%finish_normal_step()
      end if
      if (.not. (self%finished .or. self%chain_finished)) call self%propose()
   end subroutine receive

   !> Go on after the caller has read the states of a finished chain.
   pure subroutine next_chain(self)
      class(published_site), intent(inout) :: self

      self%chain_finished = .false.
      self%chain = self%chain + 1
      self%finished = self%chain > self%n_chains
      if (self%finished) return
      call self%begin_chain()
      call self%propose()
   end subroutine next_chain

   pure subroutine begin_chain(self)
      class(published_site), intent(inout) :: self

      self%part = part_uniform
      self%point = 0.5_dp
      self%cost = self%start_cost
      self%half_width = first_half_width
      self%accepted = 0
      self%iteration = 1
      self%retries = 0
      call self%history%clear(size(self%point))
   end subroutine begin_chain

   !> As published: the state is the last of part 1, but the cost it is compared with is that of the middle.
   pure subroutine begin_part_normal(self)
      class(published_site), intent(inout) :: self

      call cholesky_factor(self%history%covariance(), self%factor)
      self%factor = self%factor*sqrt(self%spread/real(size(self%point), dp))
      self%part = part_normal
      self%cost = self%start_cost
      self%accepted = 0
      self%iteration = 1
      call self%history%clear(size(self%point))
   end subroutine begin_part_normal

   !> Too few accepted: narrower steps, twice; the third time the chain starts anew and is not judged again.
   pure subroutine finish_uniform_step(self)
      class(published_site), intent(inout) :: self

      call self%history%add(self%point)
      self%iteration = self%iteration + 1
      if (self%iteration == self%n_first .and. .not. self%retried .and. self%accepted < fewest_accepted) then
         self%retries = self%retries + 1
         self%iteration = 1
         self%accepted = 0
         self%half_width = self%half_width/narrowing
         call self%history%clear(size(self%point))
         if (self%retries == most_retries) then
            self%retried = .true.
            call self%begin_chain()
         end if
      end if
      if (self%iteration > self%n_first) call self%begin_part_normal()
   end subroutine finish_uniform_step

   !> Learn from the state; judge the acceptance one iteration before the end.
   pure subroutine finish_normal_step(self)
      class(published_site), intent(inout) :: self
      real(dp) :: deviation(size(self%point))

      deviation = self%point - self%history%mean
      call self%history%add(self%point)
      if (self%iteration == learning_starts + 1) then
         call cholesky_factor(self%history%scatter, self%factor)
      else if (self%iteration > learning_starts) then
         call add_to_factor(deviation*sqrt(1.0_dp - 1.0_dp/self%history%count), self%factor)
      end if
      self%iteration = self%iteration + 1
      if (self%iteration == self%n_second) then
         if (self%acceptance < least_acceptance .or. self%acceptance > most_acceptance) then
            self%restarts = self%restarts + 1
            self%spread = self%spread*merge(0.7_dp, 2.0_dp, self%acceptance < least_acceptance)
            self%abandoned = self%restarts > most_restarts
            self%finished = self%abandoned
            call self%begin_chain()
         end if
      end if
      self%chain_finished = self%iteration > self%n_second
   end subroutine finish_normal_step

   !> The next proposal: drawn again until it is within the bounds.
   pure subroutine propose(self)
      class(published_site), intent(inout) :: self
      real(dp) :: deviate
      logical :: found
      integer :: j

      if (self%part == part_normal) then
         call self%propose_normal(found)
         if (found) return
         call self%begin_chain()
      end if
      j = 0
      do while (j < size(self%point))
         j = j + 1
         call self%stream%uniform(deviate)
         self%proposal(j) = self%point(j) + 2.0_dp*self%half_width*(deviate - 0.5_dp)
         if (.not. (self%proposal(j) > 0.0_dp .and. self%proposal(j) < 1.0_dp)) j = 0
      end do
   end subroutine propose

   !> A normal proposal within the bounds. One that leaves them in its first coordinates is given up at once.
   pure subroutine propose_normal(self, found)
      class(published_site), intent(inout) :: self
      logical, intent(out) :: found
      real(dp) :: deviate, scale
      integer :: draws, j

      scale = 1.0_dp
      if (self%iteration > learning_starts + 1) then
         scale = sqrt(self%spread/(real(size(self%point), dp)*real(self%history%count - 1, dp)))
      end if
      found = .false.
      draws = 0
      do while (.not. found .and. (draws < most_draws .or. self%accepted > 0))
         draws = draws + 1
         self%proposal = self%point
         do j = 1, size(self%point)
            call self%stream%normal(deviate)
            self%proposal(j:) = self%proposal(j:) + (scale*deviate)*self%factor(j:, j)
            found = self%proposal(j) > 0.0_dp .and. self%proposal(j) < 1.0_dp
            if (.not. found) exit
         end do
      end do
   end subroutine propose_normal

end module published_scheme
