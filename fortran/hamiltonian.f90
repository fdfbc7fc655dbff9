!> Hamiltonian Monte Carlo (Neal 2011) for several chains in parallel, one per vector lane.
!>
!> The chains move in logits of the unit cube; the density there includes the Jacobian u (1 - u). All chains make the
!> same number of leapfrog steps, redrawn at every iteration to avoid periodic orbits; step size (by dual
!> averaging) and covariance are adapted by all chains together during warm-up, and then fixed.
module hamiltonian
   use, intrinsic :: ieee_arithmetic, only: ieee_is_finite
   use kinds, only: dp
   use dual_averaging, only: step_size_search
   use random_numbers, only: generator
   use running_covariance, only: cholesky_factor, moments
   use target_density, only: density
   implicit none (type, external)
   private

   public :: sample_hamiltonian

   !> Energy that a trajectory may gain before it counts as divergent.
   real(dp), parameter :: divergent_energy = 1000.0_dp
   !> Longest trajectory, in units of the posterior's standard deviations.
   real(dp), parameter :: longest_time = 3.0_dp
   integer, parameter :: most_leapfrog_steps = 64
   !> Points of which the best is a chain's start.
   integer, parameter :: start_candidates = 20
   real(dp), parameter :: first_step = 0.1_dp
   !> Largest logit: beyond, 1 - u is lost in rounding.
   real(dp), parameter :: largest_logit = 30.0_dp
   !> Shares of warming up at whose ends the covariance is learnt; each look forgets what was before the last.
   real(dp), parameter :: looks(4) = [0.15_dp, 0.30_dp, 0.55_dp, 0.85_dp]

   !> Places of all chains, with cost and gradient there.
   type :: chain_states
      real(dp), allocatable :: logit(:, :), point(:, :), gradient(:, :)   !< (dimension, chain)
      real(dp), allocatable :: cost(:)      !< of the target alone
      real(dp), allocatable :: energy(:)    !< with the Jacobian of the logits
   end type chain_states

contains

   !> Warm up, then keep the state of each chain after every iteration.
   !>
   !> `points` holds the starting points; `jitter` is the stream of trajectory lengths; `divergent` is the share of
   !> kept iterations whose energy was lost, `gradients` how often a chain's gradient was asked for.
   subroutine sample_hamiltonian(target, streams, jitter, n_warmup, points, draws, costs, acceptance, divergent, &
                                 gradients)
      class(density), intent(inout) :: target
      type(generator), intent(inout) :: streams(:), jitter
      integer, intent(in) :: n_warmup
      real(dp), intent(in) :: points(:, :)         !< (dimension, chain)
      real(dp), intent(out) :: draws(:, :, :)      !< (dimension, draw, chain)
      real(dp), intent(out) :: costs(:, :)         !< (draw, chain)
      real(dp), intent(out) :: acceptance(:)       !< (chain)
      real(dp), intent(out) :: divergent
      integer, intent(out) :: gradients
      type(chain_states) :: states
      type(step_size_search) :: search
      real(dp) :: factor(size(points, 1), size(points, 1)), probability(size(points, 2))
      logical :: lost(size(points, 2))
      integer :: draw

      gradients = 0
      call start(target, streams, points, states)
      call warm_up(target, streams, jitter, n_warmup, states, search, factor, gradients)
      acceptance = 0.0_dp
      divergent = 0.0_dp
      do draw = 1, size(draws, 2)
         call iterate(target, streams, jitter, exp(search%log_average), factor, states, probability, lost, gradients)
         draws(:, draw, :) = states%point
         costs(draw, :) = states%cost
         acceptance = acceptance + probability/size(draws, 2)
         divergent = divergent + real(count(lost), dp)/real(size(costs), dp)
      end do
   end subroutine sample_hamiltonian

   !> Each chain starts at the best of several points, the one given and others from the prior: a single one may lie
   !> where carbon is endless and the cost too steep for any step.
   subroutine start(target, streams, points, states)
      class(density), intent(inout) :: target
      type(generator), intent(inout) :: streams(:)
      real(dp), intent(in) :: points(:, :)
      type(chain_states), intent(out) :: states
      real(dp) :: candidate(size(points, 1), size(points, 2)), best(size(points, 1), size(points, 2))
      real(dp) :: cost(size(points, 2)), least_cost(size(points, 2))
      integer :: chain, i, j

      best = points
      call target%evaluate(best, least_cost)
      do i = 2, start_candidates
         do chain = 1, size(streams)
            do j = 1, size(points, 1)
               call streams(chain)%uniform(candidate(j, chain))
            end do
         end do
         call target%evaluate(candidate, cost)
         do chain = 1, size(streams)
            if (.not. cost(chain) < least_cost(chain)) cycle
            best(:, chain) = candidate(:, chain)
            least_cost(chain) = cost(chain)
         end do
      end do
      allocate (states%logit, states%point, states%gradient, mold=points)
      allocate (states%cost(size(points, 2)), states%energy(size(points, 2)))
      states%logit = log(best/(1.0_dp - best))
      call evaluate_logits(target, states)
   end subroutine start

   !> Learn step size and covariance; the factor returned maps standard normal deviates to steps in logits.
   subroutine warm_up(target, streams, jitter, n_warmup, states, search, factor, gradients)
      class(density), intent(inout) :: target
      type(generator), intent(inout) :: streams(:), jitter
      integer, intent(in) :: n_warmup
      type(chain_states), intent(inout) :: states
      type(step_size_search), intent(out) :: search
      real(dp), intent(out) :: factor(:, :)
      integer, intent(inout) :: gradients
      type(moments) :: history
      real(dp) :: probability(size(streams))
      logical :: lost(size(streams))
      integer :: iteration, chain, n

      n = size(factor, 1)
      call set_identity(factor)
      call search%restart(first_step)
      call history%clear(n)
      do iteration = 1, n_warmup
         call iterate(target, streams, jitter, exp(search%log_step), factor, states, probability, lost, gradients)
         call search%learn(joint_acceptance(probability, careful=iteration <= nint(looks(2)*n_warmup)))
         do chain = 1, size(streams)
            call history%add(states%logit(:, chain))
         end do
         if (any(iteration == nint(looks*n_warmup))) then
            call learn_factor(history, factor)
            call history%clear(n)
            call search%restart(0.5_dp*exp(search%log_average))
         end if
      end do
   end subroutine warm_up

   !> Acceptance of all chains as one number. At first the harmonic mean: a single chain that starts where the density
   !> is steep shortens the steps of all until it is out.
   pure function joint_acceptance(probability, careful) result(acceptance)
      real(dp), intent(in) :: probability(:)
      logical, intent(in) :: careful
      real(dp) :: acceptance

      if (careful) then
         acceptance = real(size(probability), dp)/sum(1.0_dp/max(probability, epsilon(1.0_dp)))
      else
         acceptance = sum(probability)/real(size(probability), dp)
      end if
   end function joint_acceptance

   !> Factor of the covariance, drawn a little towards a small multiple of the identity while it rests on few states.
   subroutine learn_factor(history, factor)
      type(moments), intent(in) :: history
      real(dp), intent(out) :: factor(:, :)
      real(dp), allocatable :: covariance(:, :)
      real(dp) :: n
      integer :: j

      n = real(history%count, dp)
      covariance = history%covariance()*n/(n + 5.0_dp)
      do j = 1, size(factor, 1)
         covariance(j, j) = covariance(j, j) + 1.0e-3_dp*5.0_dp/(n + 5.0_dp)
      end do
      call cholesky_factor(covariance, factor)
   end subroutine learn_factor

   !> One trajectory of each chain, accepted or not.
   subroutine iterate(target, streams, jitter, step, factor, states, probability, lost, gradients)
      class(density), intent(inout) :: target
      type(generator), intent(inout) :: streams(:), jitter
      real(dp), intent(in) :: step, factor(:, :)
      type(chain_states), intent(inout) :: states
      real(dp), intent(out) :: probability(:)
      logical, intent(out) :: lost(:)
      integer, intent(inout) :: gradients
      type(chain_states) :: proposal
      real(dp) :: momentum(size(factor, 1), size(streams)), gained(size(streams)), deviate
      integer :: chain, n_steps

      call jitter%uniform(deviate)
      n_steps = min(most_leapfrog_steps, max(1, ceiling(deviate*longest_time/step)))
      call draw_momentum(streams, momentum)
      proposal = states
      gained = -states%energy - 0.5_dp*sum(momentum**2, dim=1)
      call leapfrog(target, step, n_steps, factor, proposal, momentum)
      gradients = gradients + n_steps*size(streams)
      gained = gained + proposal%energy + 0.5_dp*sum(momentum**2, dim=1)
      lost = .not. (gained < divergent_energy)
      probability = merge(0.0_dp, exp(-max(0.0_dp, gained)), lost)
      do chain = 1, size(streams)
         call streams(chain)%uniform(deviate)
         if (deviate < probability(chain)) call move(proposal, states, chain)
      end do
   end subroutine iterate

   !> Leapfrog steps in the coordinates in which the density has about unit covariance.
   subroutine leapfrog(target, step, n_steps, factor, states, momentum)
      class(density), intent(inout) :: target
      real(dp), intent(in) :: step
      integer, intent(in) :: n_steps
      real(dp), intent(in) :: factor(:, :)
      type(chain_states), intent(inout) :: states
      real(dp), intent(inout) :: momentum(:, :)
      real(dp) :: transposed(size(factor, 1), size(factor, 1))
      integer :: i

      transposed = transpose(factor)
      momentum = momentum - 0.5_dp*step*matmul(transposed, states%gradient)
      do i = 1, n_steps
         states%logit = states%logit + step*matmul(factor, momentum)
         call evaluate_logits(target, states)
         if (i < n_steps) momentum = momentum - step*matmul(transposed, states%gradient)
      end do
      momentum = momentum - 0.5_dp*step*matmul(transposed, states%gradient)
   end subroutine leapfrog

   !> Points, cost, energy and its gradient at the logits.
   subroutine evaluate_logits(target, states)
      class(density), intent(inout) :: target
      type(chain_states), intent(inout) :: states

      states%logit = max(-largest_logit, min(largest_logit, states%logit))
      states%point = 1.0_dp/(1.0_dp + exp(-states%logit))
      call target%evaluate(states%point, states%cost, states%gradient)
      states%energy = states%cost + sum(abs(states%logit) + 2.0_dp*log(1.0_dp + exp(-abs(states%logit))), dim=1)
      states%gradient = states%gradient*states%point*(1.0_dp - states%point) + 2.0_dp*states%point - 1.0_dp
      where (.not. ieee_is_finite(states%gradient)) states%gradient = 0.0_dp
   end subroutine evaluate_logits

   subroutine draw_momentum(streams, momentum)
      type(generator), intent(inout) :: streams(:)
      real(dp), intent(out) :: momentum(:, :)
      integer :: chain, j

      do chain = 1, size(streams)
         do j = 1, size(momentum, 1)
            call streams(chain)%normal(momentum(j, chain))
         end do
      end do
   end subroutine draw_momentum

   pure subroutine move(proposal, states, chain)
      type(chain_states), intent(in) :: proposal
      type(chain_states), intent(inout) :: states
      integer, intent(in) :: chain

      states%logit(:, chain) = proposal%logit(:, chain)
      states%point(:, chain) = proposal%point(:, chain)
      states%gradient(:, chain) = proposal%gradient(:, chain)
      states%cost(chain) = proposal%cost(chain)
      states%energy(chain) = proposal%energy(chain)
   end subroutine move

   pure subroutine set_identity(matrix)
      real(dp), intent(out) :: matrix(:, :)
      integer :: j

      matrix = 0.0_dp
      do j = 1, size(matrix, 1)
         matrix(j, j) = 1.0_dp
      end do
   end subroutine set_identity

end module hamiltonian
